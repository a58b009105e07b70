package pcapfile_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/pcapfile"
)

const second = int64(1e9)

func TestPcap(t *testing.T) {
	frame := "0123456789"
	for _, tt := range []struct {
		name string
		file []byte
		want []capture.Frame
	}{
		{"microseconds, little-endian",
			concat(pcapHead(little, 0xA1B2C3D4, 2, 4, 1), pcapRec(little, 5, 6, frame, 60)),
			[]capture.Frame{want(5*second+6000, frame, 60, 1)}},
		{"microseconds, big-endian",
			concat(pcapHead(big, 0xA1B2C3D4, 2, 4, 1), pcapRec(big, 5, 6, frame, 60)),
			[]capture.Frame{want(5*second+6000, frame, 60, 1)}},
		{"nanoseconds, little-endian",
			concat(pcapHead(little, 0xA1B23C4D, 2, 4, 113), pcapRec(little, 5, 6, frame, 60), pcapRec(little, 4, 1, frame, 10)),
			[]capture.Frame{want(5*second+6, frame, 60, 113), want(4*second+1, frame, 10, 113)}},
		{"nanoseconds, big-endian",
			concat(pcapHead(big, 0xA1B23C4D, 2, 4, 101), pcapRec(big, 5, 6, frame, 60)),
			[]capture.Frame{want(5*second+6, frame, 60, 101)}},
		{"modified, little-endian",
			concat(pcapHead(little, 0xA1B2CD34, 2, 4, 1), words(little, 5, 6, 10, 60, 0, uint16(8), uint16(1), frame)),
			[]capture.Frame{want(5*second+6000, frame, 60, 1)}},
		{"modified, big-endian",
			concat(pcapHead(big, 0xA1B2CD34, 2, 4, 1), words(big, 5, 6, 10, 60, 0, uint16(8), uint16(1), frame)),
			[]capture.Frame{want(5*second+6000, frame, 60, 1)}},
		{"no packets", pcapHead(little, 0xA1B2C3D4, 2, 4, 1), nil},
		{"frame check sequence in the link type",
			concat(pcapHead(little, 0xA1B2C3D4, 2, 4, 0x24000001), pcapRec(little, 0, 0, frame, 10)),
			[]capture.Frame{want(0, frame, 10, 1)}},
		{"link type of 16 bits",
			concat(pcapHead(little, 0xA1B2C3D4, 2, 4, 276), pcapRec(little, 0, 0, frame, 10)),
			[]capture.Frame{want(0, frame, 10, 276)}},
		{"nothing captured",
			concat(pcapHead(little, 0xA1B2C3D4, 2, 4, 1), pcapRec(little, 1, 0, "", 1500), pcapRec(little, 2, 0, "", 0)),
			[]capture.Frame{want(second, "", 1500, 1), want(2*second, "", 0, 1)}},
		{"captured above original",
			concat(pcapHead(little, 0xA1B2C3D4, 2, 4, 1), pcapRec(little, 1, 0, frame, 3)),
			[]capture.Frame{want(second, frame, 10, 1)}},
		{"version 2.2 has the original length first",
			concat(pcapHead(little, 0xA1B2C3D4, 2, 2, 1), words(little, 1, 0, 60, 10, frame)),
			[]capture.Frame{want(second, frame, 60, 1)}},
		{"version 543.0 too",
			concat(pcapHead(big, 0xA1B2C3D4, 543, 0, 1), words(big, 1, 0, 60, 10, frame)),
			[]capture.Frame{want(second, frame, 60, 1)}},
		{"version 2.3 has either order",
			concat(pcapHead(little, 0xA1B2C3D4, 2, 3, 1), words(little, 1, 0, 60, 10, frame), words(little, 1, 0, 10, 60, frame)),
			[]capture.Frame{want(second, frame, 60, 1), want(second, frame, 60, 1)}},
		{"times beyond their range",
			concat(pcapHead(little, 0xA1B23C4D, 2, 4, 1), words(little, uint32(math.MaxUint32), uint32(math.MaxUint32), 0, 0)),
			[]capture.Frame{want((math.MaxUint32+1)*second, "", 0, 1)}},
		{"microseconds beyond a second",
			concat(pcapHead(little, 0xA1B2C3D4, 2, 4, 1), words(little, uint32(math.MaxUint32), uint32(math.MaxUint32), 0, 0)),
			[]capture.Frame{want((math.MaxUint32+1)*second, "", 0, 1)}},
		{"above the snaplen",
			concat(pcapHead(little, 0xA1B2C3D4, 2, 4, 1), pcapRec(little, 0, 0, strings.Repeat("x", 256<<10), 1)),
			[]capture.Frame{want(0, strings.Repeat("x", 256<<10), 256<<10, 1)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := read(t, tt.file)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestPcapNG(t *testing.T) {
	const sec = 1_700_000_000
	frame := "0123456789"
	one := func(o order, ticks uint64, options ...any) []byte {
		return concat(section(o), itf(o, 1, 0, options...), enhanced(o, 0, ticks, frame, 60))
	}
	at := func(ns int64) []capture.Frame { return []capture.Frame{want(ns, frame, 60, 1)} }
	for _, tt := range []struct {
		name string
		file []byte
		want []capture.Frame
	}{
		{"microseconds by default", one(little, sec*1e6+7), at(sec*second + 7000)},
		{"big-endian", one(big, sec*1e6+7), at(sec*second + 7000)},
		{"seconds", one(little, sec, option(little, 9, "\x00")), at(sec * second)},
		{"nanoseconds", one(little, sec*1e9+7, option(little, 9, "\x09")), at(sec*second + 7)},
		{"nanoseconds, big-endian, other options around",
			one(big, sec*1e9+7, option(big, 2, "eth0"), option(big, 9, "\x09"), option(big, 3, "xyz"), option(big, 0)), at(sec*second + 7)},
		{"picoseconds", one(little, 3_000_000_007_999, option(little, 9, "\x0c")), at(3*second + 7)},
		{"10^-20 s", one(little, 1<<62, option(little, 9, "\x14")), at((1 << 62) / 100_000_000_000)},
		{"10^-127 s", one(little, 1<<62, option(little, 9, "\x7f")), at(0)},
		{"2^-10 s", one(little, sec<<10|256, option(little, 9, "\x8a")), at(sec*second + second/4)},
		{"2^-32 s", one(little, sec<<32|1<<31, option(little, 9, "\xa0")), at(sec*second + second/2)},
		{"2^-64 s", one(little, 1<<63, option(little, 9, "\xc0")), at(second / 2)},
		{"2^-70 s", one(little, 1<<63, option(little, 9, "\xc6")), at(second / 128)},
		{"2^-127 s", one(little, 1<<63, option(little, 9, "\xff")), at(0)},
		{"2^0 s", one(little, sec, option(little, 9, "\x80")), at(sec * second)},
		{"offset", one(little, 7, option(little, 14, uint64(sec))), at(sec*second + 7000)},
		{"offset, big-endian", one(big, 7, option(big, 14, uint64(sec))), at(sec*second + 7000)},
		{"offset below zero", one(little, sec*1e6, option(little, 14, uint64(1<<64-100))), at((sec - 100) * second)},
		{"offset before 1970", one(little, 0, option(little, 14, uint64(1<<64-100))), at(-100 * second)},
		{"time above the range", one(little, math.MaxUint64), at(math.MaxInt64)},
		{"time above the range by offset", one(little, sec*1e6, option(little, 14, uint64(math.MaxInt64))), at(math.MaxInt64)},
		{"time at the lower end", one(little, 0, option(little, 14, uint64(1<<63))), at(math.MinInt64)},
		{"options after the end are not read", one(little, sec*1e6, option(little, 0), option(little, 9, "\x09")), at(sec * second)},
		{"options cut", one(little, sec*1e6, uint16(9), uint16(400)), at(sec * second)},
		{"option too short", one(little, sec*1e6, option(little, 9), option(little, 14, 5)), at(sec * second)},
		{"interfaces of different kinds", concat(section(little), itf(little, 1, 0), itf(little, 101, 0, option(little, 9, "\x09")),
			enhanced(little, 1, 5, "a", 1), enhanced(little, 0, 5, "bc", 2), itf(little, 113, 0), enhanced(little, 2, 5, "", 9)),
			[]capture.Frame{want(5, "a", 1, 101), want(5000, "bc", 2, 1), want(5000, "", 9, 113)}},
		{"sections of different byte order", concat(section(little), itf(little, 1, 0), enhanced(little, 0, 5, "a", 1),
			section(big), itf(big, 101, 0), enhanced(big, 0, 6, "b", 1), section(little), itf(little, 12, 0), enhanced(little, 0, 7, "c", 1)),
			[]capture.Frame{want(5000, "a", 1, 1), want(6000, "b", 1, 101), want(7000, "c", 1, 12)}},
		{"section of a known length", concat(block(little, 0x0A0D0D0A, 0x1A2B3C4D, uint16(1), uint16(2), uint64(20), option(little, 4, "me")),
			itf(little, 1, 0), enhanced(little, 0, 5, "a", 1)), []capture.Frame{want(5000, "a", 1, 1)}},
		{"simple packet", concat(section(little), itf(little, 1, 0), block(little, 3, 10, frame)), []capture.Frame{want(0, frame, 10, 1)}},
		{"simple packets are cut at the snaplen, and have the time before", concat(section(big), itf(big, 1, 4),
			enhanced(big, 0, 5, "a", 1), block(big, 3, 10, "0123"), block(big, 3, 3, "012")),
			[]capture.Frame{want(5000, "a", 1, 1), want(5000, "0123", 10, 1), want(5000, "012", 3, 1)}},
		{"obsolete packet", concat(section(little), itf(little, 1, 0), itf(little, 2, 0),
			block(little, 2, uint16(1), uint16(77), 0, 5, 10, 60, frame)), []capture.Frame{want(5000, frame, 60, 2)}},
		{"other blocks", concat(section(little), block(little, 4, "names"), itf(little, 1, 0), block(little, 5, 0, 1, 2),
			block(little, 0xBAD, 1, 2), block(little, 0x80000001), enhanced(little, 0, 5, "a", 1), block(little, 10, "secrets")),
			[]capture.Frame{want(5000, "a", 1, 1)}},
		{"captured above original", concat(section(little), itf(little, 1, 0), enhanced(little, 0, 5, frame, 3)),
			[]capture.Frame{want(5000, frame, 10, 1)}},
		{"no packets", section(little), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := read(t, tt.file)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestSnoop(t *testing.T) {
	head := words(big, "snoop\x00\x00\x00", 2, 4)
	got, err := read(t, concat(head, words(big, 60, 5, 24+8, 0, 7, 9, "abcde", "\x00\x00\x00"), words(big, 2, 2, 26, 0, 8, 0, "fg")))
	require.NoError(t, err)
	require.Equal(t, []capture.Frame{want(7*second+9000, "abcde", 60, 1), want(8*second, "fg", 2, 1)}, got)
}

// TestDamage has a damage in each file. The frame before the damage is returned.
func TestDamage(t *testing.T) {
	pcap := concat(pcapHead(little, 0xA1B2C3D4, 2, 4, 1), pcapRec(little, 0, 0, "ok", 2))
	ng := concat(section(little), itf(little, 1, 100), enhanced(little, 0, 0, "ok", 2))
	snoop := words(big, "snoop\x00\x00\x00", 2, 4, 2, 2, 26, 0, 0, 0, "ok")
	wrongTrailer := block(little, 5, "abcd")
	wrongTrailer[len(wrongTrailer)-4]++
	for _, tt := range []struct {
		name         string
		good, damage []byte
		said         string
	}{
		{"pcap length", pcap, words(little, 0, 0, 256<<10+1, 0), "packet of 262145 bytes, above the maximum of 262144"},
		{"pcap length of all ones", pcap, words(little, 0, 0, uint32(math.MaxUint32), 0), "packet of 4294967295 bytes, above the maximum of 262144"},
		{"pcap zeros", pcap, make([]byte, 4096), "zeros in place of a packet; the file was not written to its end"},
		{"pcap header cut", pcap, words(little, 0, uint16(0), "x"), "packet header cut (7 of 16 bytes)"},
		{"pcap data cut", pcap, words(little, 0, 0, 98, 98, "0123456789"), "packet data cut (10 of 98 bytes)"},
		{"pcapng block of no length", ng, words(little, 5, 0, 0), "block of type 0x00000005 with a length of 0 bytes"},
		{"pcapng block of 8 bytes", ng, words(little, 5, 8, 8), "block of type 0x00000005 with a length of 8 bytes"},
		{"pcapng block of 13 bytes", ng, words(little, 5, 13, 13, 13), "block of type 0x00000005 with a length of 13 bytes"},
		{"pcapng block too large", ng, words(little, 5, 16<<20+4, 13, 13), "block of type 0x00000005 with 16777220 bytes, above the maximum of 16777216"},
		{"pcapng lengths differ", ng, wrongTrailer, "block ends in another length than it begins with"},
		{"pcapng header cut", ng, words(little, 5, "abc"), "block header cut (7 of 8 bytes)"},
		{"pcapng packet cut", ng, words(little, 6, 400, "abc"), "packet block cut (11 of 400 bytes)"},
		{"pcapng interface cut", ng, words(little, 1, 400), "interface description block cut (8 of 400 bytes)"},
		{"pcapng section cut", ng, words(little, 0x0A0D0D0A, 400), "section header block cut (8 of 12 bytes)"},
		{"pcapng block cut", ng, words(little, 5, 400), "block cut (8 of 400 bytes)"},
		{"pcapng byte order", ng, block(little, 0x0A0D0D0A, 0x1A2B3C4E, 0, 0, 0), "section header block without byte-order magic"},
		{"pcapng version", ng, block(little, 0x0A0D0D0A, 0x1A2B3C4D, uint16(2), uint16(1), uint64(0)), "pcapng version 2.1 is not known, only 1.0"},
		{"pcapng short section", ng, block(little, 0x0A0D0D0A, 0x1A2B3C4D, 1), "section header block with 20 bytes, below the minimum of 28"},
		{"pcapng short interface", ng, block(little, 1, 1), "interface description block with 16 bytes, below the minimum of 20"},
		{"pcapng short enhanced packet", ng, block(little, 6, 0, 0, 0, 0), "enhanced packet block with 28 bytes, below the minimum of 32"},
		{"pcapng short obsolete packet", ng, block(little, 2, 0), "packet block with 16 bytes, below the minimum of 32"},
		{"pcapng short simple packet", ng, block(little, 3), "simple packet block with 12 bytes, below the minimum of 16"},
		{"pcapng interface unknown", ng, enhanced(little, 1, 0, "x", 1), "packet of interface 1 in a section with 1"},
		{"pcapng interface of the section before", ng, concat(section(little), enhanced(little, 0, 0, "x", 1)), "packet of interface 0 in a section with 0"},
		{"pcapng simple packet without interface", ng, concat(section(little), block(little, 3, 1, "x")), "simple packet block in a section without an interface"},
		{"pcapng packet larger than block", ng, block(little, 6, 0, 0, 0, 9, 9, "01234567"), "packet of 9 bytes in a block with room for 8"},
		{"pcapng packet of all ones", ng, block(little, 6, 0, 0, 0, uint32(math.MaxUint32), 9, "01234567"), "packet of 4294967295 bytes in a block with room for 8"},
		{"pcapng simple packet larger than block", ng, block(little, 3, 101, "01234567"), "packet of 100 bytes in a block with room for 8"},
		{"snoop length", snoop, words(big, 2, 256<<10+1, 26, 0, 0, 0), "packet of 262145 bytes, above the maximum of 262144"},
		{"snoop record length", snoop, words(big, 2, 2, 25, 0, 0, 0), "record of 25 bytes holds a packet of 2"},
		{"snoop record of all ones", snoop, words(big, 2, 2, uint32(math.MaxUint32), 0, 0, 0), "record of 4294967295 bytes holds a packet of 2"},
		{"snoop cut", snoop, words(big, 2, 2, 28, 0, 0, 0, "x"), "packet data cut (1 of 4 bytes)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := read(t, concat(tt.good, tt.damage))
			require.Equal(t, []capture.Frame{want(0, "ok", 2, 1)}, got)
			var damage *capture.FileError
			require.ErrorAs(t, err, &damage)
			require.EqualError(t, damage.Err, tt.said)
			require.Equal(t, "test", damage.Path)
			at := len(tt.good)
			if strings.Contains(tt.said, "section with 0") || strings.Contains(tt.said, "without an interface") {
				at += len(section(little))
			}
			require.EqualValues(t, at, damage.Offset)
		})
	}
}

func TestNotACapture(t *testing.T) {
	for _, tt := range []struct {
		name string
		file string
		said string
	}{
		{"empty", "", "pcapfile: test: offset 0: empty file, where a pcap, pcapng or snoop capture, plain or in gzip, zstd or bzip2, was expected"},
		{"one byte", "x", "pcapfile: test: offset 0: magic number cut (1 of 4 bytes)"},
		{"text", "hello", "pcapfile: test: offset 0: not a capture file; a pcap, pcapng or snoop capture, plain or in gzip, zstd or bzip2, was expected"},
		{"pcap header cut", "\xd4\xc3\xb2\xa1\x02\x00", "pcapfile: test: offset 0: file header cut (6 of 24 bytes)"},
		{"pcap version", string(pcapHead(little, 0xA1B2C3D4, 1, 4, 1)), "pcapfile: test: offset 0: pcap version 1.4 is not known, only 2.0 to 2.4"},
		{"half big-endian", "\xa1\xb2\x00\x00", "pcapfile: test: offset 0: not a capture file; a pcap, pcapng or snoop capture, plain or in gzip, zstd or bzip2, was expected"},
		{"snoop cut", "snoop\x00\x00\x00", "pcapfile: test: offset 0: file header cut (8 of 16 bytes)"},
		{"nearly snoop", "snoopy, the great dog", "pcapfile: test: offset 0: not a capture file; a pcap, pcapng or snoop capture, plain or in gzip, zstd or bzip2, was expected"},
		{"snoop version", string(words(big, "snoop\x00\x00\x00", 3, 4)), "pcapfile: test: offset 0: snoop version 3 is not known, only 2"},
		{"snoop link", string(words(big, "snoop\x00\x00\x00", 2, 99)), "pcapfile: test: offset 0: snoop datalink type 99 is not known"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := pcapfile.OpenBytes([]byte(tt.file), "test")
			require.EqualError(t, err, tt.said)
			_, err = pcapfile.NewReader(strings.NewReader(tt.file), "test")
			require.EqualError(t, err, tt.said)
		})
	}
}

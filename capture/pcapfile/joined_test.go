package pcapfile_test

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/pcapfile"
)

// joinable returns a small file of each format.
func joinable() map[string][]byte {
	return map[string][]byte{
		"pcap":           concat(pcapHead(little, 0xA1B2C3D4, 2, 4, 1), pcapRec(little, 1_700_000_000, 1, "one", 20), pcapRec(little, 1_700_000_001, 2, "", 20)),
		"pcap, ns, big":  concat(pcapHead(big, 0xA1B23C4D, 2, 4, 101), pcapRec(big, 1_700_000_002, 1, "two", 20)),
		"pcap, modified": concat(pcapHead(little, 0xA1B2CD34, 2, 4, 1), words(little, 1_700_000_003, 1, 3, 20, 0, 0, "six")),
		"pcapng":         concat(section(little), itf(little, 1, 0), enhanced(little, 0, 1, "three", 20)),
		"pcapng, big":    concat(section(big), itf(big, 1, 0), enhanced(big, 0, 1, "four", 20)),
		"snoop":          concat(words(big, "snoop\x00\x00\x00", 2, 4), words(big, 20, 4, 28, 0, 1_700_000_004, 0, "five")),
		"no packets":     pcapHead(little, 0xA1B2C3D4, 2, 4, 1),
	}
}

// TestJoined reads concatenated files, each in the format of its header. If a header were read
// as a record, it would be a packet of the year 2055.
func TestJoined(t *testing.T) {
	for name, first := range joinable() {
		for other, second := range joinable() {
			t.Run(name+" and "+other, func(t *testing.T) {
				a, err := read(t, first)
				require.NoError(t, err)
				b, err := read(t, second)
				require.NoError(t, err)
				file := concat(first, second, first)
				want := append(append(append(a[:0:0], a...), b...), a...)
				got, err := read(t, file)
				require.NoError(t, err)
				require.Equal(t, want, got)
				stream, err := pcapfile.NewReader(iotest.OneByteReader(bytes.NewReader(file)), "test")
				require.NoError(t, err)
				got, err = readAll(t, stream)
				require.NoError(t, err)
				require.Equal(t, want, got)
			})
		}
	}
}

// TestJoinedGzip reads concatenated gzip members, each with a capture.
func TestJoinedGzip(t *testing.T) {
	file := joinable()["pcap"]
	r, err := pcapfile.NewReader(bytes.NewReader(concat(gzipped(t, file), gzipped(t, file))), "test")
	require.NoError(t, err)
	got, err := readAll(t, r)
	require.NoError(t, err)
	require.Len(t, got, 4)
}

// TestJoinedDamage ends at a second header that is cut or unknown, and does not turn it into a
// packet.
func TestJoinedDamage(t *testing.T) {
	first := joinable()["pcap"]
	for name, second := range map[string][]byte{
		"packet header cut (20 of 24 bytes)": pcapHead(little, 0xA1B2C3D4, 2, 4, 1)[:20],
		"snoop version 3 is not known":       words(big, "snoop\x00\x00\x00", 3, 4, 0, 0),
	} {
		got, err := read(t, concat(first, second))
		require.Len(t, got, 2)
		require.ErrorContains(t, err, name)
		var damage *capture.FileError
		require.ErrorAs(t, err, &damage)
		require.EqualValues(t, len(first), damage.Offset)
	}
}

// aBzip2 is a pcap file with one packet, "hello", compressed by bzip2.
const aBzip2 = "\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\x21\xc7\xf4\x92\x00\x00\x13\x41\x1e\x76\x80\x02\x44\xa0" +
	"\x00\x10\x00\x08\x00\x04\x00\x20\x00\x21\x9a\xa6\x43\x40\x10\x00\x02\x2c\xa2\x64\x13\x91\x40\xde" +
	"\xcc\x0e\x8a\xd2\xe7\x7d\xef\x8b\xb9\x22\x9c\x28\x48\x10\xe3\xfa\x49\x00"

func TestBzip2(t *testing.T) {
	r, err := pcapfile.NewReader(strings.NewReader(aBzip2), "test")
	require.NoError(t, err)
	got, err := readAll(t, r)
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Equal(t, "hello", string(got[0].Data))
}

// TestOtherCompressions checks that the error for an unsupported compression names it, and a
// command that decompresses it.
func TestOtherCompressions(t *testing.T) {
	for magic, said := range map[string]string{
		"\xFD7zXZ\x00\x00\x04":           "compressed by xz, which is not read here; unpack it into a pipe: xz -dc a.pcap | visor-reader -",
		"\x04\x22\x4D\x18\x64\x40\xa7":   "compressed by lz4, which is not read here; unpack it into a pipe: lz4 -dc a.pcap | visor-reader -",
		"PK\x03\x04\x14\x00\x00\x00\x08": "unzip -p a.pcap | visor-reader -",
	} {
		_, err := pcapfile.NewReader(strings.NewReader(magic+strings.Repeat("x", 100)), "a.pcap")
		require.ErrorContains(t, err, said)
		_, err = pcapfile.Open(save(t, "a.pcap", []byte(magic)))
		require.ErrorContains(t, err, "which is not read here")
	}
	_, err := pcapfile.NewReader(strings.NewReader("\xFD7zXZ\x00\x00\x04"+strings.Repeat("x", 100)), "standard input")
	require.ErrorContains(t, err, "unpack it first, as by xz -dc | visor-reader -")
	_, err = pcapfile.NewReader(io.MultiReader(), "a.pcap")
	require.ErrorContains(t, err, "empty file")
}

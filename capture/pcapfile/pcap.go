package pcapfile

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"visor/capture"
	"visor/decode"
)

const (
	pcapHeader     = 24
	pcapRecord     = 16
	modifiedRecord = 24 // Kuznetsov's patch adds interface, protocol and packet type

	// maxPacket bounds the captured length of one packet, whatever snaplen the header says, as tcpdump and Wireshark
	// do: a larger one is damage. Nothing else in a record could tell.
	maxPacket = 256 * 1024
)

// pcap is the format of draft-ietf-opsawg-pcap.
type pcap struct {
	head    int   // length of a record header
	unit    int64 // of the fraction of a second, ns
	link    decode.LinkType
	big     bool // byte order
	lengths lengthOrder
}

// lengthOrder is the order of a record's two lengths, which depends on the version.
type lengthOrder uint8

const (
	capturedFirst  lengthOrder = iota
	originalFirst              // before version 2.3, and in 543.0 of DG/UX
	smallerIsFirst             // version 2.3: both orders were written; the captured length is the smaller one
)

// detectPcap returns the pcap format that the file header at the start of p asks for.
func detectPcap(p []byte) (format, int, missing, error) {
	f := &pcap{head: pcapRecord, unit: 1000}
	magic := binary.LittleEndian.Uint32(p)
	if f.big = p[0] == 0xA1; f.big {
		magic = bits.ReverseBytes32(magic)
	}
	switch magic {
	case magicMicros:
	case magicNanos:
		f.unit = 1
	case magicModified:
		f.head = modifiedRecord
	default:
		return nil, 0, missing{}, fmt.Errorf("begins with % x, where %s was expected", p[:magicLen], expected)
	}
	if len(p) < pcapHeader {
		return nil, 0, missing{"file header", 0, pcapHeader}, nil
	}
	var order binary.ByteOrder = binary.LittleEndian
	if f.big {
		order = binary.BigEndian
	}
	// The upper half of the field tells of frame check sequences; what they add to a frame, lengths inside cut off.
	f.link = decode.LinkType(order.Uint32(p[20:]))
	var err error
	f.lengths, err = lengthOrderOf(order.Uint16(p[4:]), order.Uint16(p[6:]))
	return f, pcapHeader, missing{}, err
}

func lengthOrderOf(major, minor uint16) (lengthOrder, error) {
	switch {
	case major == 2 && minor < 3, major == 543 && minor == 0:
		return originalFirst, nil
	case major == 2 && minor == 3:
		return smallerIsFirst, nil
	case major == 2: // minor versions above 4 were never made: if one is, it is meant to be compatible
		return capturedFirst, nil
	}
	return 0, fmt.Errorf("pcap version %d.%d is not known, only 2.0 to 2.4", major, minor)
}

func (f *pcap) scan(p []byte, b *capture.Batch) (n int, miss missing, err error) {
	for len(b.Frames) < capture.BatchSize {
		rest := p[n:]
		if len(rest) < f.head {
			return n, missing{"packet header", 0, f.head}, nil
		}
		sec, sub := binary.LittleEndian.Uint32(rest), binary.LittleEndian.Uint32(rest[4:])
		captured, original := binary.LittleEndian.Uint32(rest[8:]), binary.LittleEndian.Uint32(rest[12:])
		if f.big {
			sec, sub = bits.ReverseBytes32(sec), bits.ReverseBytes32(sub)
			captured, original = bits.ReverseBytes32(captured), bits.ReverseBytes32(original)
		}
		if f.lengths != capturedFirst && (f.lengths == originalFirst || captured > original) {
			captured, original = original, captured
		}
		if captured > maxPacket {
			return n, missing{}, fmt.Errorf("packet of %d bytes, above the maximum of %d", captured, maxPacket)
		}
		end := f.head + int(captured)
		if end > len(rest) {
			return n, missing{"packet data", f.head, int(captured)}, nil
		}
		b.Frames = append(b.Frames, capture.Frame{
			TimeNS:  int64(sec)*1e9 + int64(sub)*f.unit, // below 2^63 for all sec and sub
			Data:    rest[f.head:end:end],
			WireLen: max(original, captured),
			Link:    f.link,
		})
		n += end
	}
	return n, missing{}, nil
}

package pcapfile

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"visor/capture"
	"visor/decode"
)

const (
	snoopHeader = 16
	snoopRecord = 24
	snoopStart  = 0x6F6F6E73 // "snoo" in little-endian order
)

// snoop is the format of RFC 1761, always big-endian.
type snoop struct {
	link decode.LinkType
}

// snoopLinks maps snoop's datalink types to LINKTYPE numbers with the same headers.
var snoopLinks = map[uint32]decode.LinkType{
	0: 1,  // IEEE 802.3
	2: 6,  // token ring
	4: 1,  // Ethernet
	8: 10, // FDDI
}

func detectSnoop(p []byte) (format, int, missing, error) {
	if len(p) < snoopHeader {
		return nil, 0, missing{"file header", 0, snoopHeader}, nil
	}
	if !bytes.HasPrefix(p, []byte(magicSnoop)) {
		return nil, 0, missing{}, errForeign
	}
	if version := binary.BigEndian.Uint32(p[8:]); version != 2 {
		return nil, 0, missing{}, fmt.Errorf("snoop version %d is not known, only 2", version)
	}
	datalink := binary.BigEndian.Uint32(p[12:])
	link, ok := snoopLinks[datalink]
	if !ok {
		return nil, 0, missing{}, fmt.Errorf("snoop datalink type %d is not known", datalink)
	}
	return &snoop{link: link}, snoopHeader, missing{}, nil
}

func (*snoop) again() {}

func (f *snoop) scan(p []byte, b *capture.Batch) (n int, miss missing, err error) {
	for len(b.Frames) < capture.BatchSize {
		rest := p[n:]
		if len(rest) < snoopRecord {
			return n, missing{"packet header", 0, snoopRecord}, nil
		}
		// snoopRecord is as long as a pcap header
		if mayBegin(binary.LittleEndian.Uint32(rest)) && begins(rest) {
			return n, missing{}, errNext
		}
		original, captured := binary.BigEndian.Uint32(rest), binary.BigEndian.Uint32(rest[4:])
		length := binary.BigEndian.Uint32(rest[8:]) // length of header, data and padding
		if captured > maxPacket {
			return n, missing{}, fmt.Errorf("packet of %d bytes, above the maximum of %d", captured, maxPacket)
		}
		end := snoopRecord + int(captured)
		if length < uint32(end) || length-uint32(end) > maxPacket {
			return n, missing{}, fmt.Errorf("record of %d bytes holds a packet of %d", length, captured)
		}
		if int(length) > len(rest) {
			return n, missing{"packet data", snoopRecord, int(length) - snoopRecord}, nil
		}
		sec, micros := binary.BigEndian.Uint32(rest[16:]), binary.BigEndian.Uint32(rest[20:])
		b.Frames = append(b.Frames, capture.Frame{
			TimeNS:  int64(sec)*1e9 + min(int64(micros)*1000, 1e9),
			Data:    rest[snoopRecord:end:end],
			WireLen: max(original, captured),
			Link:    f.link,
		})
		n += int(length)
	}
	return n, missing{}, nil
}

package netflow

import (
	"encoding/binary"
	"net/netip"

	"visor/decode"
)

// layout holds the differences between the old versions. Addresses, interfaces, counters and ports
// have the same offsets in all of them.
type layout struct {
	header, record   int
	most             int // records in a datagram
	proto, tos       int // offsets in a record
	sequence, engine int // offsets in the header; 0 if absent
}

func layoutOf(version uint16, b []byte) layout {
	switch version {
	case 1:
		l := layout{header: 16, record: 52, most: 24, proto: 38, tos: 39}
		if len(b) >= 4 && len(b) == l.header+48*int(binary.BigEndian.Uint16(b[2:])) {
			l.record = 48 // some leave out the reserved bytes at the end
		}
		return l
	case 5:
		return layout{header: 24, record: 48, most: 30, proto: 38, tos: 39, sequence: 16, engine: 20}
	}
	return layout{header: 24, record: 52, most: 30, proto: 38, tos: 39, sequence: 16}
}

// fixed reads datagrams of versions 1, 5 and 7. Several may follow each other. The whole records of
// one that was cut count, and it is an error.
func (d *Decoder) fixed(version uint16, b []byte) bool {
	l := layoutOf(version, b)
	for len(b) > 0 {
		if len(b) < l.header || binary.BigEndian.Uint16(b) != version {
			return false
		}
		n := int(binary.BigEndian.Uint16(b[2:]))
		end := l.header + n*l.record
		if n == 0 || n > l.most {
			return false
		}
		d.fixedHeader(version, &l, b, uint32(n))
		rate := uint32(0)
		if version == 5 {
			// the two bits above are the mode
			rate = uint32(binary.BigEndian.Uint16(b[22:]) & 0x3FFF)
		}
		for at := l.header; at+l.record <= min(end, len(b)); at += l.record {
			d.out.Flows = append(d.out.Flows, l.flow(b[at:at+l.record:at+l.record], rate))
		}
		if end > len(b) {
			return false
		}
		b = b[end:]
	}
	return true
}

func (d *Decoder) fixedHeader(version uint16, l *layout, b []byte, n uint32) {
	if l.sequence == 0 {
		return
	}
	engine := uint32(0)
	if l.engine > 0 {
		engine = uint32(binary.BigEndian.Uint16(b[l.engine:]))
	}
	d.open(uint8(version), engine)
	d.out.LostFlows += d.src.sequence.advance(binary.BigEndian.Uint32(b[l.sequence:]), n)
}

func (l *layout) flow(r []byte, rate uint32) decode.Flow {
	return decode.Flow{
		Src:      netip.AddrFrom4([4]byte(r[0:])),
		Dst:      netip.AddrFrom4([4]byte(r[4:])),
		Input:    uint32(binary.BigEndian.Uint16(r[12:])),
		Output:   uint32(binary.BigEndian.Uint16(r[14:])),
		Packets:  uint64(binary.BigEndian.Uint32(r[16:])),
		Bytes:    uint64(binary.BigEndian.Uint32(r[20:])),
		SrcPort:  binary.BigEndian.Uint16(r[32:]),
		DstPort:  binary.BigEndian.Uint16(r[34:]),
		Proto:    r[l.proto],
		ToS:      r[l.tos],
		Sampling: rate,
	}
}

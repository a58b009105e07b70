package packettest

import (
	"encoding/binary"
	"net/netip"

	"visor/decode"
)

// join appends values in network byte order: integers, and slices of them.
func join(dst []byte, values ...any) []byte {
	for _, v := range values {
		if addr, ok := v.(netip.Addr); ok {
			v = addr.AsSlice()
		}
		var err error
		if dst, err = binary.Append(dst, binary.BigEndian, v); err != nil {
			panic(err) // an unsupported type
		}
	}
	return dst
}

// NetFlow5 returns a datagram of NetFlow 5 whose header states a sampling interval.
func NetFlow5(sequence uint32, interval uint16, flows ...decode.Flow) []byte {
	b := join(nil, uint16(5), uint16(len(flows)), uint32(1000), uint32(1_700_000_000), uint32(0), sequence, uint16(0), interval|1<<14)
	for _, f := range flows {
		b = join(b, f.Src, f.Dst, uint32(0), uint16(f.Input), uint16(f.Output), uint32(f.Packets), uint32(f.Bytes), uint64(0),
			f.SrcPort, f.DstPort, uint16(0), f.Proto, f.ToS, make([]byte, 8))
	}
	return b
}

// NetFlow9 returns a datagram of NetFlow 9 with these sets.
func NetFlow9(source, sequence uint32, sets ...[]byte) []byte {
	b := join(nil, uint16(9), uint16(len(sets)), uint32(1000), uint32(1_700_000_000), sequence, source)
	for _, s := range sets {
		b = append(b, s...)
	}
	return b
}

// IPFIX returns a message of IPFIX with these sets.
func IPFIX(domain, sequence uint32, sets ...[]byte) []byte {
	n := 16
	for _, s := range sets {
		n += len(s)
	}
	b := join(nil, uint16(10), uint16(n), uint32(1_700_000_000), sequence, domain)
	for _, s := range sets {
		b = append(b, s...)
	}
	return b
}

// Set returns a set of NetFlow 9 or IPFIX, of integers and addresses.
func Set(id uint16, values ...any) []byte {
	b := join(nil, id, uint16(0))
	b = join(b, values...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

// SFlow returns a datagram of sFlow 5 with these samples.
func SFlow(agent string, sequence uint32, samples ...[]byte) []byte {
	addr := netip.MustParseAddr(agent)
	family := uint32(1)
	if addr.Is6() {
		family = 2
	}
	b := join(nil, uint32(5), family, addr, uint32(0), sequence, uint32(1000), uint32(len(samples)))
	for _, s := range samples {
		b = append(b, s...)
	}
	return b
}

// Sample returns a flow sample of sFlow, of one packet in rate, with these records.
func Sample(rate, input, output uint32, records ...[]byte) []byte {
	body := join(nil, uint32(1), uint32(7), rate, uint32(100), uint32(0), input, output, uint32(len(records)))
	for _, r := range records {
		body = append(body, r...)
	}
	return Element(1, body)
}

// RawHeader returns a record of sFlow with the beginning of an Ethernet frame of a length.
func RawHeader(length uint32, header []byte) []byte {
	padded := append(header[:len(header):len(header)], make([]byte, (4-len(header)%4)%4)...)
	return Element(1, join(nil, uint32(1), length, uint32(4), uint32(len(header)), padded))
}

// Element returns a record or sample of sFlow.
func Element(format uint32, body []byte) []byte { return join(nil, format, uint32(len(body)), body) }

package decode

import (
	"visor/sketch/hash64"
)

// FlowHash returns a hash of the outermost IP addresses of a frame, the same for both directions.
// It distributes frames over workers. Ports are left out, so that fragments, which have none, reach
// the same worker as the rest of their conversation. It returns 0 if it finds no IP, and always on
// link types other than Ethernet, cooked, loopback and raw IP.
func FlowHash(h *hash64.Hasher, frame []byte, link LinkType) uint64 {
	b := frame
	switch link {
	case LinkEthernet:
		if len(b) < ethernetHeaderLen {
			return 0
		}
		etherType := be16(b[12:])
		b = b[ethernetHeaderLen:]
		for range maxTags {
			if etherType != etherVLAN && etherType != etherQinQ && etherType != etherOldQinQ || len(b) < 4 {
				break
			}
			etherType, b = be16(b[2:]), b[4:]
		}
		if etherType != etherIPv4 && etherType != etherIPv6 {
			return 0
		}
	case LinkSLL:
		b = skip(b, 16)
	case LinkSLL2:
		b = skip(b, 20)
	case LinkNull, LinkLoop:
		b = skip(b, 4)
	case LinkRaw, LinkIPv4, LinkIPv6, linkRaw12, linkRaw14:
	default:
		return 0
	}
	return pairHash(h, b)
}

func skip(b []byte, n int) []byte {
	if len(b) < n {
		return nil
	}
	return b[n:]
}

func pairHash(h *hash64.Hasher, b []byte) uint64 {
	switch {
	case len(b) >= ipv4HeaderLen && b[0]>>4 == 4:
		if b[9] == protoUDP && isDHCP(b) {
			return 0
		}
		src, dst := uint64(be32(b[12:])), uint64(be32(b[16:]))
		return h.Pair(min(src, dst), max(src, dst))
	case len(b) >= ipv6HeaderLen && b[0]>>4 == 6:
		src, dst := h.IPv6([16]byte(b[8:])), h.IPv6([16]byte(b[24:]))
		return h.Pair(min(src, dst), max(src, dst))
	}
	return 0
}

// isDHCP reports whether an IPv4 packet of UDP is for a DHCP port. For a client without an address,
// requests and answers do not share a pair of addresses.
func isDHCP(b []byte) bool {
	const dstPort = 2
	at := int(b[0]&0x0F)*4 + dstPort
	return len(b) >= at+2 && be16(b[at:])-67 <= 1
}

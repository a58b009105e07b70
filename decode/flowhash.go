package decode

import (
	"net/netip"

	"visor/sketch/hash64"
)

// FlowHasher distributes frames over workers: it hashes the IP addresses of a frame so that both
// directions of a conversation have the same hash.
//
// In tunnels the innermost addresses count. The two directions of a mirrored conversation may be in
// tunnels between different hosts. Ports are left out, so that fragments, which have none, reach
// the same worker as the rest of their conversation. All fragments of a datagram have the hash of
// the fragment that came first: only the one at offset 0 shows a tunnel's content.
//
// A FlowHasher is owned by one goroutine. It takes 24 KiB.
type FlowHasher struct {
	hash    *hash64.Hasher
	tunnels Decoder // does not reassemble
	packet  Packet
	// direct-mapped by the hash of addresses and ID. An overwritten entry separates fragments of a
	// tunnel that are 1,024 fragmented datagrams apart
	datagrams [1024]fragmented
}

// fragmented is a datagram with a fragment that was hashed.
type fragmented struct {
	key, hash uint64
	begun     bool // the fragment at offset 0 was hashed
}

// NewFlowHasher returns a FlowHasher that hashes addresses with h.
func NewFlowHasher(h *hash64.Hasher) *FlowHasher { return &FlowHasher{hash: h} }

// Hash returns the hash of a frame. It is 0 if the frame has no IP addresses, and for DHCP over
// IPv4: a client without an address has different pairs of addresses in requests and answers.
func (f *FlowHasher) Hash(frame []byte, link LinkType) uint64 {
	if hash, ok := f.plain(networkLayer(frame, link)); ok {
		return hash
	}
	f.packet = Packet{Frame: frame, WireLen: uint32(len(frame)), Link: link}
	d := &f.tunnels
	d.lent, d.piece = 0, piece{}
	_ = d.Decode(&f.packet) // what was found before an error counts
	hash := f.pair(f.packet.Innermost())
	if d.piece.src.IsValid() {
		return f.sameDatagram(&d.piece, hash)
	}
	return hash
}

// networkLayer returns the IP packet of a frame whose link header is quickly stripped, or else nil.
func networkLayer(b []byte, link LinkType) []byte {
	switch link {
	case LinkEthernet:
		if len(b) < ethernetHeaderLen {
			return nil
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
			return nil
		}
		return b
	case LinkSLL:
		return skip(b, 16)
	case LinkSLL2:
		return skip(b, 20)
	case LinkNull, LinkLoop:
		return skip(b, 4)
	case LinkRaw, LinkIPv4, LinkIPv6, linkRaw12, linkRaw14:
		return b
	}
	return nil
}

func skip(b []byte, n int) []byte {
	if len(b) < n {
		return nil
	}
	return b[n:]
}

// plain returns the hash of an IP packet that is neither a tunnel nor special in another way.
func (f *FlowHasher) plain(b []byte) (hash uint64, ok bool) {
	switch {
	case len(b) >= ipv4HeaderLen && b[0]>>4 == 4:
		isFragment := be16(b[6:])&0x3FFF != 0
		if isFragment || isSpecial(b[9], skip(b, int(b[0]&15)*4)) {
			return 0, false
		}
		return f.ipv4(be32(b[12:]), be32(b[16:])), true
	case len(b) >= ipv6HeaderLen && b[0]>>4 == 6:
		if isSpecial(b[6], b[ipv6HeaderLen:]) {
			return 0, false
		}
		return f.ipv6([16]byte(b[8:]), [16]byte(b[24:])), true
	}
	return 0, false
}

// isSpecial reports whether the payload of an IP packet needs a closer look: it may contain a
// packet, extension headers, or DHCP.
func isSpecial(proto uint8, b []byte) bool {
	switch proto {
	case protoTCP, protoICMP, protoICMPv6:
		return false
	case protoUDP:
		if len(b) < 4 {
			return false
		}
		src, dst := be16(b), be16(b[2:])
		return isTunnelPort(src) || isTunnelPort(dst) || isDHCP(src) || isDHCP(dst)
	}
	return true
}

func isDHCP(port uint16) bool { return port == 67 || port == 68 }

func (f *FlowHasher) pair(p *Packet) uint64 {
	src, dst := p.Src.Addr(), p.Dst.Addr()
	switch {
	case p.Layers.Has(LayerIPv4) && p.Proto == protoUDP && (isDHCP(p.Src.Port()) || isDHCP(p.Dst.Port())):
		return 0
	case p.Layers.Has(LayerIPv4):
		a, b := src.As4(), dst.As4()
		return f.ipv4(be32(a[:]), be32(b[:]))
	case p.Layers.Has(LayerIPv6):
		return f.ipv6(src.As16(), dst.As16())
	}
	return 0
}

func (f *FlowHasher) ipv4(src, dst uint32) uint64 {
	return f.hash.Pair(uint64(min(src, dst)), uint64(max(src, dst)))
}

func (f *FlowHasher) ipv6(src, dst [16]byte) uint64 {
	a, b := f.hash.IPv6(src), f.hash.IPv6(dst)
	return f.hash.Pair(min(a, b), max(a, b))
}

// piece is a fragment that a Decoder without reassembly met, with the addresses of its packet.
type piece struct {
	src, dst netip.Addr // invalid in the zero piece
	fragment
}

// pieceOf decodes a fragment without reassembly. It looks into the tunnels of the first fragment.
func (d *Decoder) pieceOf(p *Packet, f fragment) {
	if !d.piece.src.IsValid() { // fragments in this fragment share its fate
		d.piece = piece{p.Src.Addr(), p.Dst.Addr(), f}
	}
	if f.offset > 0 {
		return
	}
	if p.Layers.Has(LayerIPv6) {
		_ = d.extensions(p, f.data)
	} else {
		d.transport(p, f.data)
	}
}

// sameDatagram returns the hash for all fragments of a datagram. It is hash, unless another
// fragment came first.
func (f *FlowHasher) sameDatagram(p *piece, hash uint64) uint64 {
	id := uint64(p.id)
	if p.src.Is4() {
		id = id<<8 | uint64(p.proto) // as RFC 791 section 3.2 has it
	}
	src, dst := f.hash.IPv6(p.src.As16()), f.hash.IPv6(p.dst.As16())
	key := f.hash.Pair(f.hash.Pair(src, dst), id)
	d := &f.datagrams[key%uint64(len(f.datagrams))]
	// an ID is used again: a second beginning is another datagram
	if d.key != key || p.offset == 0 && d.begun {
		*d = fragmented{key: key, hash: hash}
	}
	d.begun = d.begun || p.offset == 0
	return d.hash
}

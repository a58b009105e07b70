package filter

import (
	"context"
	"fmt"
	"net/netip"

	"visor/capture/filter/cbpf"
	"visor/decode"
)

// EtherTypes and service access points with a special meaning.
const (
	etherIPv4           = 0x0800
	etherARP            = 0x0806
	etherRARP           = 0x8035
	etherAppleTalk      = 0x809B
	etherAARP           = 0x80F3
	etherVLAN           = 0x8100
	etherIPX            = 0x8137
	etherIPv6           = 0x86DD
	etherMPLS           = 0x8847
	etherPPPoEDiscovery = 0x8863
	etherPPPoESession   = 0x8864
	etherQinQ           = 0x88A8
	etherOldQinQ        = 0x9100
	etherMaxLength      = 1500

	sapIPX     = 0xE0
	sapNetBEUI = 0xF0
	sapISO     = 0xFE

	ipFragment = 44 // IPv6's fragment header
)

// naming is the way in which a link header identifies the next protocol.
type naming uint8

const (
	byEtherType naming = iota // an EtherType, or a length and LLC
	byCooked                  // an EtherType, or a protocol of Linux cooked capture below 1536
	byPPP                     // a PPP protocol number
	byHDLC                    // an EtherType
	byFamily                  // an address family of the capturing machine
	byVersion                 // no field: IP contains its version
	isIPv4                    // no field: always IPv4
	isIPv6
	bySNAP   // IEEE 802.11: LLC followed by SNAP
	byARCnet // an ARCnet protocol number
)

// lookup returns the addresses of a host, as net.Resolver's LookupNetIP does.
type lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

// compiler turns an expression into tests on frames of one link type. It tracks the positions of
// headers at the current point of the expression.
type compiler struct {
	expr   string
	link   decode.LinkType
	lookup lookup
	err    *Error

	naming  naming
	typeAt  place  // field of the link header that identifies the next protocol
	header  place  // start of the link header
	payload place  // end of the link header
	llcAt   place  // start of LLC, if LLC follows the link header
	labels  uint32 // bytes of MPLS labels after the link header
	tunnel  bool   // within Geneve
	tags    bool   // the expression has a 'vlan'
}

func newCompiler(expr string, link decode.LinkType, lookup lookup) (*compiler, error) {
	c := &compiler{expr: expr, link: link, lookup: lookup}
	switch link {
	case decode.LinkEthernet:
		c.naming, c.typeAt.offset, c.payload.offset = byEtherType, 12, 14
		c.llcAt = c.payload
	case decode.LinkSLL:
		c.naming, c.typeAt.offset, c.payload.offset = byCooked, 14, 16
	case decode.LinkSLL2:
		c.naming, c.typeAt.offset, c.payload.offset = byCooked, 0, 20
	case decode.LinkNull, decode.LinkLoop:
		c.naming, c.payload.offset = byFamily, 4
	case decode.LinkRaw, linkRaw12, linkRaw14:
		c.naming = byVersion
	case decode.LinkIPv4:
		c.naming = isIPv4
	case decode.LinkIPv6:
		c.naming = isIPv6
	case decode.LinkPPP, linkPPPHDLC:
		c.naming, c.typeAt.offset, c.payload.offset = byPPP, 2, 4
	case linkPPPEther:
		c.naming, c.typeAt.offset, c.payload.offset = byPPP, 6, 8
	case decode.LinkHDLC:
		c.naming, c.typeAt.offset, c.payload.offset = byHDLC, 2, 4
	case decode.LinkARCNet:
		c.naming, c.typeAt.offset, c.payload.offset = byARCnet, 2, 6
	case linkARCNetLinux:
		c.naming, c.typeAt.offset, c.payload.offset = byARCnet, 4, 8
	case decode.LinkWiFi, decode.LinkPrism, decode.LinkRadiotap, decode.LinkAVS:
		c.wifi()
	default:
		return nil, fmt.Errorf("filter: frames of link type %d cannot be filtered; frames of Ethernet, Linux cooked capture, raw IP, "+
			"BSD loopback, PPP, Cisco HDLC, IEEE 802.11 and ARCnet can", link)
	}
	return c, nil
}

// Further link types (https://www.tcpdump.org/linktypes.html).
const (
	linkRaw12, linkRaw14      decode.LinkType = 12, 14
	linkPPPHDLC, linkPPPEther decode.LinkType = 50, 51
	linkARCNetLinux           decode.LinkType = 129
)

// The last slots of the scratch memory are reserved for a tunnel or a wireless frame. The others
// hold intermediate results.
const (
	slotType    = cbpf.Slots - 3 // positions of the type field, the link header, and the payload
	slotHeader  = cbpf.Slots - 2
	slotPayload = cbpf.Slots - 1
	freeSlots   = slotType - 1
)

// fail records the first error.
func (c *compiler) fail(t token, reason string) {
	if c.err == nil {
		c.err = &Error{c.expr, t.column, reason}
	}
}

// place is a position in a frame. It is an offset from the start of the frame or, within a tunnel,
// from the value of a slot of the scratch memory.
type place struct {
	offset uint32
	slot   uint32 // 0 means the start of the frame, because tunnels use the last slots
}

func (p place) plus(n uint32) place { return place{p.offset + n, p.slot} }

// load returns code that loads the field of size bytes at p.
func (p place) load(size uint16) cbpf.Code {
	if p.slot == 0 {
		return cbpf.Code{{Op: cbpf.Load | cbpf.Abs | size, K: p.offset}}
	}
	return cbpf.Code{{Op: cbpf.LoadXMem, K: p.slot}, {Op: cbpf.Load | cbpf.Ind | size, K: p.offset}}
}

// loadHeader returns code that sets X so that X + p.offset is the end of the IPv4 header at p. It
// keeps A if p has no slot.
func (p place) loadHeader() cbpf.Code {
	if p.slot == 0 {
		return cbpf.Code{{Op: cbpf.LoadXHeader, K: p.offset}}
	}
	return append(p.load(cbpf.Byte), cbpf.Code{
		{Op: cbpf.ALU | cbpf.And, K: 0x0F}, {Op: cbpf.ALU | cbpf.Lsh, K: 2}, {Op: cbpf.ALU | cbpf.X | cbpf.Add}, {Op: cbpf.TAX},
	}...)
}

// at tests whether the field of size bytes at p equals v.
func at(p place, size uint16, v uint32) cbpf.Test { return cbpf.If(p.load(size), cbpf.JEQ, v) }

// masked tests whether the field at p, under a mask, equals v.
func masked(p place, size uint16, mask, v uint32) cbpf.Test {
	switch mask {
	case 0:
		return cbpf.Always
	case 1<<32 - 1:
		return at(p, size, v)
	}
	return cbpf.If(append(p.load(size), cbpf.Instruction{Op: cbpf.ALU | cbpf.And, K: mask}), cbpf.JEQ, v)
}

// above tests whether the field at p exceeds v.
func above(p place, size uint16, v uint32) cbpf.Test { return cbpf.If(p.load(size), cbpf.JGT, v) }

// anyBit tests whether the field at p has any of the bits of mask.
func anyBit(p place, size uint16, mask uint32) cbpf.Test {
	return cbpf.If(p.load(size), cbpf.JSET, mask)
}

// network returns a position in the network header.
func (c *compiler) network(offset uint32) place { return c.payload.plus(c.labels + offset) }

// etherType tests the protocol after the link header. Values up to etherMaxLength are service
// access points of LLC.
func (c *compiler) etherType(v uint32) cbpf.Test {
	if c.labels > 0 {
		return c.afterLabels(v)
	}
	switch c.naming {
	case byEtherType:
		return c.etherTypeOrLLC(v, cbpf.Not(above(c.typeAt, cbpf.Half, etherMaxLength)))
	case byCooked:
		return c.etherTypeOrLLC(v, at(c.typeAt, cbpf.Half, 4)) // LINUX_SLL_P_802_2
	case byPPP:
		return at(c.typeAt, cbpf.Half, pppType(v))
	case byHDLC:
		return at(c.typeAt, cbpf.Half, hdlcType(v))
	case bySNAP:
		return cbpf.All(c.wifiData(), c.afterLLC(v))
	case byARCnet:
		return c.arcnetType(v)
	case byFamily:
		return c.family(v)
	case byVersion:
		return version(c.payload, v)
	}
	return cbpf.Known(c.naming == isIPv4 && v == etherIPv4 || c.naming == isIPv6 && v == etherIPv6)
}

// etherTypeOrLLC tests a field that holds an EtherType, or a length if llc is true.
func (c *compiler) etherTypeOrLLC(v uint32, llc cbpf.Test) cbpf.Test {
	snap := func(organisation, protocol uint32) cbpf.Test { // RFC 1042
		return cbpf.All(at(c.payload.plus(4), cbpf.Word, organisation<<16|protocol), at(c.payload, cbpf.Word, 0xAAAA0300|organisation>>16))
	}
	isType := at(c.typeAt, cbpf.Half, v)
	switch v {
	case sapISO, sapNetBEUI:
		return cbpf.All(llc, at(c.payload, cbpf.Half, v<<8|v))
	case sapIPX:
		novell := at(c.payload, cbpf.Half, 0xFFFF) // IEEE 802.3 without LLC
		if c.naming == byCooked {
			// LINUX_SLL_P_802_3
			return cbpf.Any(at(c.typeAt, cbpf.Half, etherIPX), at(c.typeAt, cbpf.Half, 1),
				cbpf.All(llc, cbpf.Any(at(c.payload, cbpf.Byte, sapIPX), snap(0, etherIPX))))
		}
		return cbpf.Any(at(c.typeAt, cbpf.Half, etherIPX), cbpf.All(llc, cbpf.Any(snap(0, etherIPX), at(c.payload, cbpf.Byte, sapIPX), novell)))
	case etherAppleTalk:
		return cbpf.Any(isType, cbpf.All(llc, snap(0x080007, v)))
	case etherAARP:
		return cbpf.Any(isType, cbpf.All(llc, snap(0, v)))
	}
	if v <= etherMaxLength {
		return cbpf.All(llc, at(c.payload, cbpf.Byte, v))
	}
	return isType
}

// afterLabels tests the IP version after the last MPLS label (RFC 4928, section 2). No other field
// identifies the protocol.
func (c *compiler) afterLabels(v uint32) cbpf.Test {
	return cbpf.All(masked(c.payload.plus(c.labels-2), cbpf.Byte, 0x01, 0x01), version(c.network(0), v))
}

// version tests the IP version of the header at p.
func version(p place, v uint32) cbpf.Test {
	switch v {
	case etherIPv4:
		return masked(p, cbpf.Byte, 0xF0, 0x40)
	case etherIPv6:
		return masked(p, cbpf.Byte, 0xF0, 0x60)
	}
	return cbpf.Never
}

// family tests the address family in a frame of a loopback interface. The number for IPv6 differs
// between systems; the test accepts all numbers, in both byte orders.
func (c *compiler) family(v uint32) cbpf.Test {
	families := map[uint32][]uint32{etherIPv4: {2}, etherIPv6: {10, 24, 28, 30}}[v]
	var tests []cbpf.Test
	for _, f := range families {
		tests = append(tests, at(place{}, cbpf.Word, f))
		if c.link == decode.LinkNull {
			tests = append(tests, at(place{}, cbpf.Word, f<<24))
		}
	}
	return cbpf.Any(tests...)
}

// pppType returns the PPP protocol number of an EtherType
// (https://www.iana.org/assignments/ppp-numbers).
func pppType(v uint32) uint32 {
	switch v {
	case etherIPv4:
		return 0x21
	case etherIPv6:
		return 0x57
	case linkProtos["decnet"]:
		return 0x27
	case etherAppleTalk:
		return 0x29
	case 0x0600: // XNS
		return 0x25
	case sapISO:
		return 0x23
	case linkProtos["stp"]:
		return 0x31
	case sapIPX:
		return 0x2B
	}
	return v
}

// hdlcType returns the Cisco HDLC number of a protocol.
func hdlcType(v uint32) uint32 {
	if v == sapISO {
		return sapISO<<8 | sapISO
	}
	return v
}

// protocol tests for a protocol by its keyword.
func (c *compiler) protocol(name string) cbpf.Test {
	if v, ok := linkProtos[name]; ok {
		return c.etherType(v)
	}
	p := ipProtos[name]
	var v6, v4 cbpf.Test = cbpf.Never, cbpf.Never
	if p.v6 {
		v6 = c.ip6Proto(p.number)
	}
	if p.v4 {
		v4 = c.ip4Proto(p.number)
	}
	return cbpf.Any(v6, v4)
}

func (c *compiler) ip4Proto(v uint32) cbpf.Test {
	return cbpf.All(c.etherType(etherIPv4), at(c.network(9), cbpf.Byte, v))
}

// ip6Proto looks after a fragment header, but not after other extension headers.
func (c *compiler) ip6Proto(v uint32) cbpf.Test {
	fragment := cbpf.All(at(c.network(6), cbpf.Byte, ipFragment), at(c.network(40), cbpf.Byte, v))
	return cbpf.All(c.etherType(etherIPv6), cbpf.Any(at(c.network(6), cbpf.Byte, v), fragment))
}

func (c *compiler) isoProto(v uint32) cbpf.Test {
	offset := uint32(0)
	if c.naming == byHDLC {
		offset = 1 // skip a byte of padding
	}
	return cbpf.All(c.etherType(sapISO), at(c.iso(offset), cbpf.Byte, v))
}

// iso returns a position in an OSI packet, which follows LLC without SNAP.
func (c *compiler) iso(offset uint32) place {
	switch c.naming {
	case bySNAP:
		return c.llcAt.plus(3 + offset)
	case byPPP, byHDLC:
		return c.network(offset)
	}
	return c.network(3 + offset)
}

// unfragmented accepts IPv4 packets that are not a fragment or are the first fragment.
func (c *compiler) unfragmented() cbpf.Test {
	return cbpf.Not(anyBit(c.network(6), cbpf.Half, 0x1FFF))
}

// base is the position of a protocol's fields.
type base struct {
	place
	header bool // the fields follow the IPv4 header at the position
}

// fieldBase returns the position of a protocol's fields, and a test for packets that have them.
func (c *compiler) fieldBase(a accessor) (base, cbpf.Test) {
	if a.proto == "ether" {
		return base{place: c.header}, cbpf.Always
	}
	if a.proto == "icmp6" {
		return base{place: c.network(40)}, cbpf.All(c.etherType(etherIPv6), at(c.network(6), cbpf.Byte, ipProtos["icmp6"].number))
	}
	if v, ok := linkProtos[a.proto]; ok {
		return base{place: c.network(0)}, c.etherType(v)
	}
	p := ipProtos[a.proto]
	if !p.v4 || a.proto == "esp" || a.proto == "ah" {
		c.fail(a.token, "cannot use offsets into "+a.proto)
	}
	return base{c.network(0), true}, cbpf.All(c.ip4Proto(p.number), c.unfragmented())
}

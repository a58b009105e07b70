package decode

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// NetSet is a set of the user's networks. The zero NetSet is empty. It is immutable.
type NetSet struct {
	v4     []net4
	v6     []net6
	hosts4 []uint32 // single addresses, sorted: a host may have thousands
	hosts6 []host6
}

type host6 struct{ hi, lo uint64 }

func (h host6) compare(o host6) int { return cmp.Or(cmp.Compare(h.hi, o.hi), cmp.Compare(h.lo, o.lo)) }

// NewNetSet returns the set of the given networks. Many single addresses cost little: Contains
// finds one by bisection.
func NewNetSet(prefixes ...netip.Prefix) NetSet {
	var n NetSet
	for _, p := range prefixes {
		addr := p.Addr()
		switch {
		case addr.Is4() && p.IsSingleIP():
			n.hosts4 = append(n.hosts4, value4(addr))
		case addr.Is4():
			n.add4(addr, p.Bits())
		case p.IsSingleIP():
			hi, lo := halves(addr)
			n.hosts6 = append(n.hosts6, host6{hi, lo})
		case p.IsValid():
			n.add6(addr, p.Bits())
		}
	}
	slices.Sort(n.hosts4)
	slices.SortFunc(n.hosts6, host6.compare)
	return n
}

type net4 struct{ addr, mask uint32 }

type net6 struct{ hi, lo, maskHi, maskLo uint64 }

// ParseNetSet reads a comma-separated list of networks in CIDR form, such as
// "192.0.2.0/24,2001:db8::/32". Bits behind the prefix are ignored. The empty string is an empty
// set. Unlike in pktvisor, 0.0.0.0/0 holds every IPv4 address, 0.0.0.0 too, and ::/0 every IPv6
// address. The error is a [NetError].
func ParseNetSet(spec string) (NetSet, error) {
	var n NetSet
	if strings.TrimSpace(spec) == "" {
		return n, nil
	}
	for item := range strings.SplitSeq(spec, ",") {
		if err := n.add(strings.TrimSpace(item)); err != nil {
			return NetSet{}, err
		}
	}
	return n, nil
}

func (n *NetSet) add(item string) error {
	text, digits, ok := strings.Cut(item, "/")
	width, err := strconv.ParseUint(digits, 10, 8)
	if !ok || err != nil {
		return &NetError{Text: item}
	}
	addr, err := netip.ParseAddr(text)
	v6 := strings.Contains(text, ":")
	switch {
	case err != nil || addr.Zone() != "":
		return &NetError{Text: item, Addr: text}
	case width > uint64(addr.BitLen()):
		return &NetError{Text: item}
	}
	if v6 {
		n.add6(addr, int(width))
		return nil
	}
	n.add4(addr, int(width))
	return nil
}

// NetError describes a text that is not a network in CIDR form.
type NetError struct {
	Text string
	Addr string // the address in Text if it is invalid; "" if the prefix length is
}

func (e *NetError) Error() string {
	if e.Addr != "" {
		return fmt.Sprintf("decode: network %q: the address is invalid", e.Text)
	}
	return fmt.Sprintf("decode: network %q: the prefix length is missing or invalid", e.Text)
}

func (n *NetSet) add4(addr netip.Addr, width int) {
	mask := uint32(^(uint64(1)<<(32-width) - 1))
	n.v4 = append(n.v4, net4{value4(addr) & mask, mask})
}

func value4(addr netip.Addr) uint32 {
	a := addr.As4()
	return binary.BigEndian.Uint32(a[:])
}

func (n *NetSet) add6(addr netip.Addr, width int) {
	hi, lo := halves(addr)
	maskHi, maskLo := ^uint64(0), ^uint64(0)
	if width < 64 {
		maskHi, maskLo = ^(^uint64(0) >> width), 0
	} else {
		maskLo = ^(^uint64(0) >> (width - 64))
	}
	n.v6 = append(n.v6, net6{hi & maskHi, lo & maskLo, maskHi, maskLo})
}

func halves(addr netip.Addr) (hi, lo uint64) {
	a := addr.As16()
	return binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])
}

// Empty reports whether n is empty.
func (n *NetSet) Empty() bool { return len(n.v4)+len(n.v6)+len(n.hosts4)+len(n.hosts6) == 0 }

// Contains reports whether addr is in one of the networks.
func (n *NetSet) Contains(addr netip.Addr) bool {
	if addr.Is4() {
		v := value4(addr)
		for _, net := range n.v4 {
			if v&net.mask == net.addr {
				return true
			}
		}
		if len(n.hosts4) == 0 {
			return false
		}
		_, found := slices.BinarySearch(n.hosts4, v)
		return found
	}
	if len(n.v6)+len(n.hosts6) == 0 {
		return false
	}
	hi, lo := halves(addr)
	for _, net := range n.v6 {
		if hi&net.maskHi == net.hi && lo&net.maskLo == net.lo {
			return true
		}
	}
	_, found := slices.BinarySearchFunc(n.hosts6, host6{hi, lo}, host6.compare)
	return found
}

// Direction returns the direction of a packet from src to dst. Between two own addresses it is
// ToHost.
func (n *NetSet) Direction(src, dst netip.Addr) Direction {
	if src.Is4() && dst.Is4() && len(n.v4) <= fewNets && len(n.hosts4) == 0 {
		return n.direction4(value4(src), value4(dst))
	}
	switch {
	case n.Contains(dst):
		return ToHost
	case n.Contains(src):
		return FromHost
	}
	return Unknown
}

// fewNets is the number of networks up to which direction4 applies.
const fewNets = 8

// direction4 compares all networks without a branch, because directions come in random order: half
// of the branches would be mispredicted.
func (n *NetSet) direction4(src, dst uint32) Direction {
	var from, to uint64
	for _, net := range n.v4 {
		from |= isZero(src&net.mask ^ net.addr)
		to |= isZero(dst&net.mask ^ net.addr)
	}
	return Direction(to)*ToHost | Direction(from&^to)*FromHost
}

// isZero returns 1 for 0, and otherwise 0.
func isZero(v uint32) uint64 { return (uint64(v) - 1) >> 63 }

// Prefixes returns the networks: IPv4 first, then IPv6, each in the given order. Sorted single
// addresses of [NewNetSet] follow each.
func (n *NetSet) Prefixes() (out []netip.Prefix) {
	for _, net := range n.v4 {
		out = append(out, netip.PrefixFrom(addr4(net.addr), bits.OnesCount32(net.mask)))
	}
	for _, v := range n.hosts4 {
		out = append(out, netip.PrefixFrom(addr4(v), 32))
	}
	for _, net := range n.v6 {
		out = append(out, netip.PrefixFrom(addr6(net.hi, net.lo), bits.OnesCount64(net.maskHi)+bits.OnesCount64(net.maskLo)))
	}
	for _, h := range n.hosts6 {
		out = append(out, netip.PrefixFrom(addr6(h.hi, h.lo), 128))
	}
	return out
}

func addr4(v uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, v)))
}

func addr6(hi, lo uint64) netip.Addr {
	return netip.AddrFrom16([16]byte(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, hi), lo)))
}

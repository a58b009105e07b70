package decode

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
)

// HostNets is a set of networks that are the user's own. The zero HostNets is empty. It is immutable.
type HostNets struct {
	v4 []net4
	v6 []net6
}

type net4 struct{ addr, mask uint32 }

type net6 struct{ hi, lo, maskHi, maskLo uint64 }

// ParseHostNets reads a comma-separated list of networks in CIDR form, as "192.0.2.0/24,2001:db8::/32"; bits
// behind the prefix are ignored. The empty string is no network. The error texts are the reference's.
// Unlike there, 0.0.0.0/0 holds every IPv4 address, 0.0.0.0 too, and ::/0 every IPv6 address.
func ParseHostNets(spec string) (HostNets, error) {
	var n HostNets
	if strings.TrimSpace(spec) == "" {
		return n, nil
	}
	for item := range strings.SplitSeq(spec, ",") {
		if err := n.add(strings.TrimSpace(item)); err != nil {
			return HostNets{}, err
		}
	}
	return n, nil
}

func (n *HostNets) add(item string) error {
	text, digits, ok := strings.Cut(item, "/")
	width, err := strconv.ParseUint(digits, 10, 8)
	if !ok || err != nil {
		return fmt.Errorf("invalid CIDR: %s%s", item, suggestion(item))
	}
	addr, err := netip.ParseAddr(text)
	v6 := strings.Contains(text, ":")
	switch {
	case v6 && (err != nil || addr.Zone() != ""):
		return fmt.Errorf("invalid IPv6 address: %s", text)
	case err != nil:
		return fmt.Errorf("invalid IPv4 address: %s", text)
	case width > uint64(addr.BitLen()):
		return fmt.Errorf("invalid CIDR: %s", item)
	}
	if v6 {
		n.add6(addr, int(width))
		return nil
	}
	a := addr.As4()
	mask := uint32(^(uint64(1)<<(32-width) - 1))
	n.v4 = append(n.v4, net4{binary.BigEndian.Uint32(a[:]) & mask, mask})
	return nil
}

// suggestion says how an address is written as a network: alone, or with those around it.
func suggestion(item string) string {
	addr, err := netip.ParseAddr(item)
	switch {
	case err != nil || addr.Zone() != "":
		return ""
	case addr.Is4():
		return fmt.Sprintf("; did you mean %s/32 or %s?", addr, netip.PrefixFrom(addr, 24).Masked())
	}
	return fmt.Sprintf("; did you mean %s/128 or %s?", addr, netip.PrefixFrom(addr, 64).Masked())
}

func (n *HostNets) add6(addr netip.Addr, width int) {
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

// Empty reports whether n has no network.
func (n *HostNets) Empty() bool { return len(n.v4)+len(n.v6) == 0 }

// Contains reports whether addr is in one of the networks.
func (n *HostNets) Contains(addr netip.Addr) bool {
	if addr.Is4() {
		a := addr.As4()
		v := binary.BigEndian.Uint32(a[:])
		for _, net := range n.v4 {
			if v&net.mask == net.addr {
				return true
			}
		}
		return false
	}
	if len(n.v6) == 0 {
		return false
	}
	hi, lo := halves(addr)
	for _, net := range n.v6 {
		if hi&net.maskHi == net.hi && lo&net.maskLo == net.lo {
			return true
		}
	}
	return false
}

// Direction says which way a packet from src to dst went. Between two own addresses it is ToHost.
func (n *HostNets) Direction(src, dst netip.Addr) Direction {
	switch {
	case n.Contains(dst):
		return ToHost
	case n.Contains(src):
		return FromHost
	}
	return Unknown
}

// Prefixes returns the networks: those of IPv4, then those of IPv6, each in the order in which they were given.
func (n *HostNets) Prefixes() (out []netip.Prefix) {
	for _, net := range n.v4 {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], net.addr)
		out = append(out, netip.PrefixFrom(netip.AddrFrom4(a), bits.OnesCount32(net.mask)))
	}
	for _, net := range n.v6 {
		var a [16]byte
		binary.BigEndian.PutUint64(a[:8], net.hi)
		binary.BigEndian.PutUint64(a[8:], net.lo)
		out = append(out, netip.PrefixFrom(netip.AddrFrom16(a), bits.OnesCount64(net.maskHi)+bits.OnesCount64(net.maskLo)))
	}
	return out
}

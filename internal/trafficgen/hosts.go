package trafficgen

import (
	"encoding/binary"
	"net/netip"
)

// routerMAC is the source of all frames from outside.
var routerMAC = [6]byte{0x02, 0, 0x5E, 0, 0, 0xFE}

// octets are the first octets of IPv4 clients.
var octets = [...]byte{5, 24, 31, 37, 46, 62, 71, 77, 81, 85, 91, 93, 109, 151, 176, 178, 188, 193, 212, 217}

// habits are the constant properties of a client.
type habits uint8

const (
	hasEDNS habits = 1 << iota
	hasDO
	hasECS
	hasCookie
	hasMixedCase // 0x20
	hasSmallBuffer
)

// host is a client: its number determines everything about it.
type host struct {
	number uint32
	seed   uint64
}

func (g *Gen) host(number uint32) host {
	return host{number: number, seed: mix(g.cfg.Seed ^ uint64(number)*0x9E3779B97F4A7C15)}
}

// v6 is true for one client in five, including the busy ones.
func (h host) v6() bool { return h.number%5 == 3 }

func (h host) addr() (a [16]byte) {
	n := scramble(h.number, 24)
	if h.v6() {
		binary.BigEndian.PutUint32(a[:], 0x2A000000|h.number%7<<16|0x1000)
		binary.BigEndian.PutUint32(a[4:], n<<8)
		binary.BigEndian.PutUint64(a[8:], mix(h.seed)|1)
		return a
	}
	binary.BigEndian.PutUint32(a[:], uint32(octets[h.seed>>8%uint64(len(octets))])<<24|n)
	return a
}

func (h host) netip() netip.Addr {
	a := h.addr()
	if h.v6() {
		return netip.AddrFrom16(a)
	}
	return netip.AddrFrom4([4]byte(a[:4]))
}

func (h host) endpoint() endpoint {
	return endpoint{addr: h.addr(), mac: routerMAC, ttl: 64 - uint8(h.seed>>16%20)}
}

// habits: 85 % speak EDNS; of these 30 % set DO, 20 % send cookies, 7 % a client subnet; 12 % mix
// cases.
func (h host) habits() habits {
	var out habits
	if h.seed>>24%100 < 12 {
		out |= hasMixedCase
	}
	if h.seed>>32%100 >= 85 {
		return out
	}
	out |= hasEDNS
	x := mix(h.seed + 1)
	if x%100 < 30 {
		out |= hasDO
	}
	if x>>8%100 < 20 {
		out |= hasCookie
	}
	if x>>16%100 < 7 {
		out |= hasECS
	}
	if x>>24%100 < 70 {
		out |= hasSmallBuffer
	}
	return out
}

// LocalNets are the networks of our own hosts, in CIDR form.
const LocalNets = "192.0.2.0/24,2001:db8:53::/48"

// localHost returns an endpoint in our own network; hosts 53 to 56 are the resolvers.
func localHost(n uint8, v6 bool, port uint16) endpoint {
	e := endpoint{mac: [6]byte{0x02, 0, 0x5E, 0x10, 0, n}, port: port, ttl: 64, ours: true}
	if v6 {
		e.addr = [16]byte{0x20, 0x01, 0x0D, 0xB8, 0, 0x53, 15: n}
	} else {
		e.addr = [16]byte{192, 0, 2, n}
	}
	return e
}

// openFlow begins a flow between a client and one of our hosts at this port. If the flow is not
// inward, our host is the client in a third of the cases.
func (g *Gen) openFlow(f *flow, h host, local uint8, port uint16, inward bool) {
	ours, theirs := localHost(local, h.v6(), port), h.endpoint()
	*f = flow{v6: h.v6(), label: uint32(h.seed) & 0xFFFFF}
	if vlan := g.cfg.Mix.VLAN; vlan > 0 && g.rng.percent(uint32(vlan)) {
		f.vlan = uint16(100 + g.rng.n(16))
	}
	f.ends = [2]endpoint{theirs, ours}
	if !inward && g.rng.percent(33) {
		ours.port, theirs.port = 0, port
		f.ends = [2]endpoint{ours, theirs}
	}
	f.ends[0].port = uint16(g.rng.between(10_000, 65_535))
}

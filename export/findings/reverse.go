package findings

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"visor/handler/metric"
)

// The networks whose reverse names a sweep asks for have at least these prefix lengths. Clients
// that look up addresses of their logs ask for names of all networks.
const (
	sweptBits4, sweptBits6 = 12, 32
	// wideSweep is the factor of Config.MinNames from which on a client sweeps all networks.
	wideSweep = 10
)

// sweeps finds clients that ask for the reverse names of many addresses, one network after another.
func (v *view) sweeps(allow *allowed) {
	if allow.ownName("in-addr.arpa") || allow.ownName("ip6.arpa") {
		return
	}
	items := v.items(v.path(clientNames))
	for i := range items {
		it := &items[i]
		if allow.client(it.Name) {
			continue
		}
		usual, names := v.usualOf(clientNames, it.Name), float64(it.Estimate)
		least := v.threshold(Enumerator, it.Name, max(float64(v.cfg.MinNames), 3*usual, 0.02*v.queries()))
		network, part := sweptNetwork(it.Samples)
		if names *= part; names < least || part < 0.5 || len(it.Samples) < 4 {
			continue
		}
		narrow := network.Bits() >= sweptBits4 && (network.Addr().Is4() || network.Bits() >= sweptBits6)
		if narrow || names >= wideSweep*float64(v.cfg.MinNames) {
			v.reportSweep(it, network, names, usual, narrow)
		}
	}
}

func (v *view) reportSweep(client *metric.Item, network netip.Prefix, names, usual float64, narrow bool) {
	s := signal{score: names / v.length}
	s.Kind, s.Subject, s.Severity = Enumerator, client.Name, Warning
	s.Figures = []Figure{figureOf("reverse names", names, usual, ""), {Name: "distinct names", Value: float64(client.Estimate)}}
	s.Evidence.Examples, s.Evidence.Concentration = client.Samples, 1
	s.Evidence.Clients = []Part{{Name: client.Name, Count: client.Estimate, Share: 1}}
	v.addLists(&s, "top_nxdomain", "top_qtype")
	where := "many networks"
	if narrow {
		where = network.String()
	}
	s.Text = fmt.Sprintf("Client %s asks for the reverse names of %s: %s names in %s seconds.", client.Name, where, quantity(names), quantity(v.length))
	v.report(s)
}

// sweptNetwork returns the network that has all addresses of the reverse names among some names,
// and the share of these names. Names of the family with fewer names do not count.
func sweptNetwork(names []string) (network netip.Prefix, part float64) {
	var found [2][]netip.Prefix
	for _, name := range names {
		if p, ok := reversed(plain(name)); ok && p.Addr().Is4() {
			found[0] = append(found[0], p)
		} else if ok {
			found[1] = append(found[1], p)
		}
	}
	most := found[0]
	if len(found[1]) > len(most) {
		most = found[1]
	}
	for i, p := range most {
		if i == 0 {
			network = p
		}
		network = common(network, p)
	}
	return network, share(float64(len(most)), float64(len(names)))
}

// common returns the longest prefix that has both networks, which are of one family.
func common(a, b netip.Prefix) netip.Prefix {
	for bits := min(a.Bits(), b.Bits()); ; bits-- {
		if p := netip.PrefixFrom(a.Addr(), bits).Masked(); p.Contains(b.Addr()) {
			return p
		}
	}
}

// reversed returns the network of a reverse name, which is an address if the name is complete
// (RFC 1035 section 3.5, RFC 3596 section 2.5).
func reversed(name string) (netip.Prefix, bool) {
	if digits, ok := strings.CutSuffix(name, ".in-addr.arpa"); ok {
		var b [4]byte
		n := fill(b[:], digits, 10, 8)
		return netip.PrefixFrom(netip.AddrFrom4(b), 8*n), n > 0
	}
	digits, ok := strings.CutSuffix(name, ".ip6.arpa")
	var nibbles [32]byte
	n := fill(nibbles[:], digits, 16, 4)
	if !ok || n == 0 {
		return netip.Prefix{}, false
	}
	var b [16]byte
	for i, x := range nibbles {
		b[i/2] |= x << (4 - 4*(i%2))
	}
	return netip.PrefixFrom(netip.AddrFrom16(b), 4*n), true
}

// fill reads the labels of a name from the last one on as numbers. It returns their number, or 0 if
// they do not belong to an address.
func fill(b []byte, name string, base, bits int) (n int) {
	labels := strings.Split(name, ".")
	if len(labels) > len(b) {
		return 0
	}
	for i := range labels {
		x, err := strconv.ParseUint(labels[len(labels)-1-i], base, bits)
		if err != nil {
			return 0
		}
		b[i] = byte(x)
	}
	return len(labels)
}

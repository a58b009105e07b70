package findings

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"visor/handler/metric"
)

// The networks whose reverse names a sweep asks for have at least these prefix lengths.
const (
	sweptBits4, sweptBits6 = 12, 32
	// wideSweep is the factor of Config.MinNames from which on a client sweeps all networks.
	wideSweep = 10
	// sharing is the number of clients that may share a sweep among them.
	sharing = 4
)

// sweep is a client that asks for reverse names.
type sweep struct {
	client       *metric.Item
	network      netip.Prefix // has the addresses of its samples
	names, usual float64      // reverse names in the period, and usually
}

// narrow reports whether a network is one that programs sweep. Clients that look up addresses of
// their logs ask for names of all networks.
func narrow(network netip.Prefix) bool {
	return network.Bits() >= sweptBits4 && (network.Addr().Is4() || network.Bits() >= sweptBits6)
}

// near reports whether a and b sweep the same network.
func (a *sweep) near(b *sweep) bool {
	return a.network.Addr().Is4() == b.network.Addr().Is4() && narrow(common(a.network, b.network))
}

// sweeps finds clients that ask for the reverse names of many addresses, one network after another.
// Clients that share a network among them count together.
func (v *view) sweeps(allow *allowed) {
	if allow.ownName("in-addr.arpa") || allow.ownName("ip6.arpa") {
		return
	}
	all := v.sweepers(allow)
	for i := range all {
		s := &all[i]
		names := s.names
		for j := range all {
			if i != j && s.near(&all[j]) {
				names += all[j].names
			}
		}
		least := v.threshold(Enumerator, s.client.Name, max(float64(v.cfg.MinNames), 0.02*v.queries()))
		if narrow(s.network) && names >= least || s.names >= max(least, wideSweep*float64(v.cfg.MinNames)) {
			v.reportSweep(s)
		}
	}
}

// sweepers returns the clients whose names are mostly reverse names, and three times as many as
// usual. Each has at least a share of what a finding needs.
func (v *view) sweepers(allow *allowed) (all []sweep) {
	items := v.items(v.path(clientNames))
	for i := range items {
		it := &items[i]
		if allow.client(it.Name) {
			continue
		}
		s := sweep{client: it, names: float64(it.Estimate), usual: v.usualOf(clientNames, it.Name)}
		part := 0.0
		s.network, part = sweptNetwork(it.Samples)
		if s.names *= part; part < 0.5 || len(it.Samples) < 4 {
			continue
		}
		if s.names >= max(float64(v.cfg.MinNames)/sharing, 3*s.usual) {
			all = append(all, s)
		}
	}
	return all
}

func (v *view) reportSweep(w *sweep) {
	s := signal{score: w.names / v.length}
	s.Kind, s.Subject, s.Severity = Enumerator, w.client.Name, Warning
	s.Figures = []Figure{figureOf("reverse names", w.names, w.usual, ""), {Name: "distinct names", Value: float64(w.client.Estimate)}}
	s.Evidence.Examples, s.Evidence.Concentration = w.client.Samples, 1
	s.Evidence.Clients = []Part{{Name: w.client.Name, Count: w.client.Estimate, Share: 1}}
	v.addLists(&s, "top_nxdomain", "top_qtype")
	where := "many networks"
	if narrow(w.network) {
		where = w.network.String()
	}
	s.Text = fmt.Sprintf("Client %s asks for the reverse names of %s: %s names in %s seconds.", w.client.Name, where, quantity(w.names), quantity(v.length))
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

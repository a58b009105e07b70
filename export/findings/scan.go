package findings

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// fewAttempts is the number of refused connections that is a sign of a scan in little traffic.
const fewAttempts = 5

// scanner finds a host that tries many ports: many connections are refused or get no reply.
func (v *view) scanner(allow *allowed) {
	if !v.has(v.path("opening")) {
		return
	}
	tcp, opening, opened, reset := v.number("tcp"), v.number("opening"), v.answers("opened"), v.answers("rst")
	ports, spread := v.ports()
	ends := v.scanned()
	name := between(ends)
	subject := v.subject(name)
	usual := v.usualCount("attempts")
	_, known := v.usual("attempts")
	severity := Attack
	switch tries := v.attempts(); {
	case slices.ContainsFunc(ends, func(p Part) bool { return allow.client(p.Name) }):
		return
	case tries >= v.threshold(Scan, subject, max(float64(v.cfg.MinTargets), 3*usual)) && ports >= 50 &&
		(known && v.narrow() < 0.5*tries || opened < 0.3*opening && (spread < 0.3 || !known && v.fromOnePort(opening))):
	case !v.oneWay() && tcp < 200 && reset >= fewAttempts && reset >= 0.3*tcp && reset > 2*opened && ports > fewAttempts && opening > 0 && usual == 0:
		severity = Warning
	default:
		return
	}
	s := signal{score: opening + reset}
	s.Kind, s.Subject, s.Severity = Scan, subject, severity
	s.Figures = []Figure{
		figureOf("failed attempts to connect", v.attempts(), usual, ""), {Name: "accepted", Value: opened}, {Name: "refused or reset", Value: reset}, {Name: "destination ports", Value: ports},
	}
	s.Evidence.Clients = append(v.list(v.path("top_ipv4"), 5), v.list(v.path("top_ipv6"), 5)...)
	s.Evidence.Subnets = append(v.list(v.path("top_ipv4_subnet"), 5), v.list(v.path("top_ipv6_subnet"), 5)...)
	if len(ends) > 0 {
		s.Evidence.Concentration = ends[0].Share
	}
	v.addLists(&s, "top_dst_port")
	s.Text = fmt.Sprintf("Scan of ports, %s: %s attempts to connect, %s accepted, %s packets refused or reset, to %s ports.",
		name, quantity(opening), quantity(opened), quantity(reset), quantity(ports))
	v.report(s)
}

// attempts returns the number of attempts to connect that were not accepted.
func (v *view) attempts() float64 { return max(v.number("opening")-v.answers("opened"), 0) }

// oneWay reports whether the view has the packets of one direction alone.
func (v *view) oneWay() bool { return v.scope == "in" || v.scope == "out" }

// answers returns a number of packets that answer the ones of the view. They have the other
// direction.
func (v *view) answers(name string) float64 {
	path := v.path(name)
	if v.oneWay() {
		other := map[string]string{"in": "out.", "out": "in."}[v.scope]
		path = other + strings.TrimPrefix(path, v.prefix)
	}
	return v.count(path)
}

// narrow returns by how much the destination port grew that grew most. It leaves out the port that
// grew most as a source, which is where replies to the scanner go.
func (v *view) narrow() float64 {
	from := v.grown("top_src_port", 1)
	for _, p := range v.grown("top_dst_port", 2) {
		if len(from) == 0 || p.Name != from[0].Name {
			return p.Grown * v.length
		}
	}
	return 0
}

// ports returns the number of destination ports in the list, and the share of the first one.
func (v *view) ports() (n, most float64) {
	list := v.list(v.path("top_dst_port"), listLength)
	if len(list) == 0 {
		return 0, 0
	}
	return float64(len(list)), list[0].Share
}

// firstEphemeral is the first port of clients on most systems.
const firstEphemeral = 32768

// fromOnePort reports whether most traffic is of a scanner that has one source port. Replies go to
// it, so it leads both lists, as the port of a server does that refuses connections. A view of one
// direction lacks the replies. Clients of a server have ephemeral ports; a scanner tries lower
// ones.
func (v *view) fromOnePort(opening float64) bool {
	from, to := v.items(v.path("top_src_port")), v.items(v.path("top_dst_port"))
	if len(from) == 0 || len(to) == 0 || opening < 0.25*v.number("total") {
		return false
	}
	switch {
	case v.oneWay() && float64(from[0].Estimate) < 0.5*opening, !v.oneWay() && from[0].Name != to[0].Name:
		return false
	case !v.oneWay():
		to = to[1:]
	}
	if port, err := strconv.Atoi(from[0].Name); err != nil || port < 1024 {
		return false
	}
	low := 0
	for _, it := range to {
		if port, err := strconv.Atoi(it.Name); err != nil || port < firstEphemeral {
			low++ // those with a name are low, too
		}
	}
	return float64(low) >= 0.8*float64(len(to))
}

// scanned returns the address whose packets grew most. Without own networks no addresses are
// counted, only the subnets of sources. Then it returns the subnet that grew most, and one that
// grew by about as much, which is the other side.
func (v *view) scanned() (ends []Part) {
	if ends = v.mostOf("top_ipv4", "top_ipv6"); len(ends) > 0 {
		return ends[:1]
	}
	ends = v.mostOf("top_ipv4_subnet", "top_ipv6_subnet")
	if len(ends) > 1 && ends[1].Grown < 0.5*ends[0].Grown {
		return ends[:1]
	}
	return ends[:min(2, len(ends))]
}

// mostOf returns the entries of two lists that grew most, with their shares of the packets.
func (v *view) mostOf(a, b string) (out []Part) {
	out = append(v.grown(a, 2), v.grown(b, 2)...)
	for i := range out {
		out[i].Share = share(float64(out[i].Count), v.number("total"))
	}
	slices.SortStableFunc(out, func(a, b Part) int { return cmp.Compare(b.Grown, a.Grown) })
	return out
}

// between names one end or both.
func between(ends []Part) string {
	switch len(ends) {
	case 0:
		return "unknown host"
	case 1:
		return ends[0].Name
	}
	return "between " + min(ends[0].Name, ends[1].Name) + " and " + max(ends[0].Name, ends[1].Name)
}

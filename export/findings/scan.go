package findings

import "fmt"

// fewAttempts is the number of refused connections that is a sign of a scan in little traffic.
const fewAttempts = 5

// scanner finds a host that tries many ports: many connections are refused or get no reply.
func (v *view) scanner(allow *allowed) {
	if !v.has(v.path("opening")) {
		return
	}
	tcp, opening, opened, reset := v.number("tcp"), v.number("opening"), v.number("opened"), v.number("rst")
	ports, spread := v.ports()
	host := v.heaviest()
	name := host.Name
	if name == "" {
		name = "unknown host"
	}
	subject := v.subject(name)
	usual := v.usualCount("attempts")
	_, known := v.usual("attempts")
	severity := Attack
	switch tries := v.attempts(); {
	case allow.client(host.Name):
		return
	case tries >= v.threshold(Scan, subject, max(float64(v.cfg.MinTargets), 3*usual)) && ports >= 50 &&
		(known && v.narrow() < 0.5*tries || spread < 0.3 && opened < 0.3*opening):
	case v.scope == "" && tcp < 200 && reset >= fewAttempts && reset >= 0.3*tcp && reset > 2*opened && ports > fewAttempts && opening > 0 && usual == 0:
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
	s.Evidence.Concentration = host.Share
	v.addLists(&s, "top_dst_port")
	s.Text = fmt.Sprintf("Scan of ports, %s: %s attempts to connect, %s accepted, %s packets refused or reset, to %s ports.",
		name, quantity(opening), quantity(opened), quantity(reset), quantity(ports))
	v.report(s)
}

// attempts returns the number of attempts to connect that were not accepted.
func (v *view) attempts() float64 { return max(v.number("opening")-v.number("opened"), 0) }

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

// heaviest returns the address with the most packets.
func (v *view) heaviest() (best Part) {
	for _, list := range []string{"top_ipv4", "top_ipv6"} {
		if items := v.list(v.path(list), 1); len(items) > 0 && items[0].Count > best.Count {
			best = items[0]
		}
	}
	return best
}

package findings

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// volumes are the figures whose growth is a spike, with their words, the first of each type that
// grew.
var volumes = map[string][]volume{
	"dns": {{"queries", "DNS queries", 1}, {"replies", "DNS replies", 1}},
	"net": {{"total", "packets", 1}, {"bytes", "bytes", 500}},
}

// volume is a figure that is a volume of traffic. An event is this many of it.
type volume struct {
	figure, word string
	size         float64
}

// spike finds traffic far above the usual in two periods in a row. Pulses that recur do not count.
func (v *view) spike() {
	for _, vol := range volumes[v.module.Type] {
		subject := v.subject(vol.word)
		b, ok := v.usual(vol.figure)
		if !ok || vol.figure == "queries" && v.repliesAlone() {
			continue
		}
		rate := v.total(vol.figure) / v.length
		factor := 1 + v.threshold(Spike, subject, float64(v.cfg.Spike))/100
		noise := 6 * max(b.spread, math.Sqrt(b.high/v.length))
		limit := max(b.high*factor, b.high+v.threshold(Spike, subject, noise))
		fresh := !v.ongoing(Spike, subject)
		if rate < limit || (rate-b.high)*v.length < float64(v.cfg.MinEvents)*vol.size ||
			fresh && v.figure(v.prefix+vol.figure).recurs(b.high+0.7*(rate-b.high)) {
			continue
		}
		v.reportSpike(vol, subject, rate, b.high)
		return
	}
}

// distinct reports whether a list has distinct counts, not traffic.
func (v *view) distinct(list string) bool {
	value := v.values[v.path(list)]
	return value != nil && value.Distinct
}

// reportSpike reports a spike with what grew.
func (v *view) reportSpike(vol volume, subject string, rate, usual float64) {
	growth := rate - usual
	s := signal{score: rate, need: 2}
	s.Kind, s.Subject, s.Severity = Spike, subject, Warning
	s.Figures = []Figure{figureOf(vol.word, rate, usual, perSecond)}
	s.Text = vol.word + " rose to " + quantity(rate) + " per second from the usual " + quantity(usual)

	if vol.figure == "bytes" { // lists count packets
		growth = v.growth("total")
	}
	var causes []Part
	for _, name := range v.breakdowns() {
		if v.distinct(name) {
			continue
		}
		parts := v.partsOf(name, growth)
		if name == "top_ipv4" || name == "top_ipv6" || name == "top_clients" {
			s.Evidence.Clients = append(s.Evidence.Clients, parts...)
		}
		if len(parts) > 0 {
			s.Evidence.Lists = append(s.Evidence.Lists, List{Name: v.path(name), Items: parts})
			if cause := parts[0]; !explained[cause.Name] {
				cause.Name = causeWords[name] + strings.TrimPrefix(cause.Name, ".")
				causes = append(causes, cause)
			}
		}
	}
	slices.SortStableFunc(s.Evidence.Clients, func(a, b Part) int { return cmp.Compare(b.Grown, a.Grown) })
	if len(s.Evidence.Clients) > 0 {
		s.Evidence.Concentration = s.Evidence.Clients[0].Share
	}
	s.Evidence.AS = v.partsOf("top_asn", growth)
	s.Evidence.Subnets = append(v.partsOf("top_ipv4_subnet", growth), v.partsOf("top_ipv6_subnet", growth)...)
	v.describeSpread(&s, growth)
	s.Text += becauseOf(causes) + "."
	v.report(s)
}

// explained are entries that are usual, or that other lists show in more detail.
var explained = map[string]bool{"NOERROR": true, "TCP": true, "UDP": true, "ICMP": true, "ICMPv6": true}

// becauseOf returns the words for what makes at least half of a growth, each of another kind.
func becauseOf(causes []Part) (text string) {
	slices.SortStableFunc(causes, func(a, b Part) int { return cmp.Compare(b.Share, a.Share) })
	for i, c := range causes[:min(3, len(causes))] {
		switch {
		case c.Share < 0.5:
			return text
		case i == 0:
			text = "; " + percent(c.Share) + " of the growth is " + c.Name
		default:
			text += ", " + percent(c.Share) + " is " + c.Name
		}
	}
	return text
}

// causeWords come before an entry of a list that does not explain itself.
var causeWords = map[string]string{
	"top_qtype": "type ", "top_rcode": "code ", "top_udp_ports": "client port ", "top_dst_port": "destination port ", "top_src_port": "source port ", "top_protocol": "protocol ",
}

// ofMessages are the lists that count a query and its reply in version 1.0.
var ofMessages = []string{"top_qname2", "top_qname3", "top_qtype", "top_udp_ports"}

// growth returns by how much a volume is above its usual level, per second.
func (v *view) growth(figure string) float64 {
	b, _ := v.usual(figure)
	return v.total(figure)/v.length - b.high
}

// partsOf returns the entries of a list that grew most, with their shares of the growth of events.
func (v *view) partsOf(list string, growth float64) []Part {
	if slices.Contains(ofMessages, list) {
		growth *= v.messages()
	}
	parts := v.grown(list, evidenceLength)
	for i := range parts {
		parts[i].Share = share(parts[i].Grown, growth)
	}
	return parts
}

// describeSpread adds how many sources the growth has. Many new sources with few packets each are
// what spoofed addresses look like.
func (v *view) describeSpread(s *signal, growth float64) {
	b, ok := v.usual("sources")
	if !ok || !v.has(v.path("sources")) {
		return
	}
	sources := v.number("sources")
	usual := b.high * v.length
	s.Figures = append(s.Figures, figureOf("distinct sources", sources, usual, ""))
	fresh := sources - usual
	switch each := growth * v.length / max(fresh, 1); {
	case fresh > 3*max(usual, 100) && each < 3:
		s.Severity = Attack
		s.Text += ", from " + quantity(fresh) + " new sources with " + quantity(each) + " each, as with spoofed addresses"
	case fresh > usual:
		s.Text += ", from " + quantity(fresh) + " new sources"
	}
}

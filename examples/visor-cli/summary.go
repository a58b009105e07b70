package main

import (
	"cmp"
	"slices"
	"time"
)

// node is a part of an answer in JSON.
type node map[string]any

// at returns the part at path, or nil.
func (n node) at(path ...string) node {
	for _, name := range path {
		next, _ := n[name].(map[string]any)
		n = next
	}
	return n
}

// number returns the number at path, or 0.
func (n node) number(path ...string) float64 {
	last := len(path) - 1
	v, _ := n.at(path[:last]...)[path[last]].(float64)
	return v
}

// item is an entry of a list.
type item struct {
	name  string
	count float64
	text  string // displayed value; "" shows count
}

// items returns the list at name.
func (n node) items(name string) (out []item) {
	list, _ := n[name].([]any)
	for _, entry := range list {
		e, _ := entry.(map[string]any)
		it := item{count: node(e).number("estimate")}
		it.name, _ = e["name"].(string)
		out = append(out, it)
	}
	return out
}

// spread holds quantiles of a rate or a time.
type spread struct{ live, p50, p90, p95, p99 float64 }

func (n node) spread(path ...string) spread {
	n = n.at(path...)
	return spread{n.number("live"), n.number("p50"), n.number("p90"), n.number("p95"), n.number("p99")}
}

// plus adds the values of another direction. Sums are exact for live rates. For percentiles they
// are upper bounds.
func (s spread) plus(o spread) spread {
	return spread{s.live + o.live, s.p50 + o.p50, s.p90 + o.p90, s.p95 + o.p95, s.p99 + o.p99}
}

// packets, dns and dhcp hold the numbers of the header.
type packets struct {
	events, total, udp, tcp, other, ipv4, ipv6, in, out, unknown, deep float64
	rate, rateIn, rateOut                                              spread
	remoteIn, remoteOut                                                float64 // distinct addresses
}

type dns struct {
	events, total, udp, tcp, ipv4, ipv6, queries, replies float64
	rate                                                  spread
	xacts, timedOut, xactsIn, xactsOut, names             float64
	timeIn, timeOut                                       spread // microseconds
	noerror, servfail, nxdomain, refused                  float64
}

type dhcp struct {
	events, filtered, total, discover, offer, request, ack float64
	rate                                                   spread
}

type losses struct{ tcp, os, iface float64 }

// summary holds the counts of a policy. If several handlers have the same type, it holds the counts
// of the last one.
type summary struct {
	packets packets
	dns     dns
	dhcp    dhcp
	losses  losses
	lists   map[string][]item // keyed by the names of version 1.0
	panels  []panel           // panels for all other lists
	schemas map[string]bool   // schemas of the handlers
	start   time.Time
	length  time.Duration
}

// newSummary reads the answers of a policy's handlers, keyed by name and schema.
func newSummary(handlers map[string]map[string]node) *summary {
	s := &summary{lists: make(map[string][]item), schemas: make(map[string]bool)}
	for _, name := range sortedKeys(handlers) {
		for schema, n := range handlers[name] {
			s.start = time.Unix(int64(n.number("period", "start_ts")), 0)
			s.length = time.Duration(n.number("period", "length")) * time.Second
			s.schemas[schema] = true
			switch {
			case schema == "packets":
				s.readNetwork(n)
			case schema == "net":
				s.readNetworkByDirection(n)
			case schema == "dns" && n["wire_packets"] != nil:
				s.readDNS(n)
			case schema == "dns":
				s.readDNSTransactions(n)
			case schema == "dhcp":
				s.readDHCP(n)
				s.readAnything(schema, n)
			case schema == "pcap":
				s.losses = losses{n.number("tcp_reassembly_errors"), n.number("os_drops"), n.number("if_drops")}
			default:
				s.readAnything(schema, n)
			}
		}
	}
	return s
}

func sortedKeys[V any](m map[string]V) (keys []string) {
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func (s *summary) readNetwork(n node) {
	s.packets = packets{
		events: n.number("events"), total: n.number("total"), udp: n.number("udp"), tcp: n.number("tcp"), other: n.number("other_l4"),
		ipv4: n.number("ipv4"), ipv6: n.number("ipv6"), in: n.number("in"), out: n.number("out"), unknown: n.number("unknown_dir"),
		deep: n.number("deep_samples"),
		rate: n.spread("rates", "pps_total"), rateIn: n.spread("rates", "pps_in"), rateOut: n.spread("rates", "pps_out"),
		remoteIn: n.number("cardinality", "src_ips_in"), remoteOut: n.number("cardinality", "dst_ips_out"),
	}
	for _, list := range []string{"top_ipv4", "top_ipv6", "top_geoLoc", "top_ASN"} {
		s.lists[list] = n.items(list)
	}
}

// directions are the parts of answers of version 2.0.
var directions = []string{"in", "out", "unknown"}

// sum adds the numbers at a path over all directions.
func (n node) sum(path ...string) (total float64) {
	for _, dir := range directions {
		total += n.at(dir).number(path...)
	}
	return total
}

// rate adds the rates at a path over all directions.
func (n node) rate(path ...string) (total spread) {
	for _, dir := range directions {
		total = total.plus(n.at(dir).spread(path...))
	}
	return total
}

// addLists merges the lists of all directions. names maps names of version 1.0 to names of version
// 2.0.
func (s *summary) addLists(n node, names map[string]string) {
	for list, name := range names {
		for _, dir := range directions {
			s.add(list, n.at(dir).items(name))
		}
	}
}

func (s *summary) readNetworkByDirection(n node) {
	s.packets = packets{
		events: n.number("observed_packets"), deep: n.number("deep_sampled_packets"), total: n.sum("total_packets"), udp: n.sum("udp_packets"),
		tcp: n.sum("tcp_packets"), other: n.sum("other_l4_packets"), ipv4: n.sum("ipv4_packets"), ipv6: n.sum("ipv6_packets"),
		in: n.number("in", "total_packets"), out: n.number("out", "total_packets"), unknown: n.number("unknown", "total_packets"),
		rate: n.rate("rates", "pps"), rateIn: n.spread("in", "rates", "pps"), rateOut: n.spread("out", "rates", "pps"),
		remoteIn: n.number("in", "cardinality", "ips"), remoteOut: n.number("out", "cardinality", "ips"),
	}
	s.addLists(n, map[string]string{
		"top_ipv4": "top_ipv4_packets", "top_ipv6": "top_ipv6_packets", "top_geoLoc": "top_geo_loc_packets", "top_ASN": "top_asn_packets",
	})
}

// add merges the entries of one direction into a list.
func (s *summary) add(list string, items []item) {
	sums := make(map[string]float64)
	for _, it := range append(items, s.lists[list]...) {
		sums[it.name] += it.count
	}
	all := make([]item, 0, len(sums))
	for name, count := range sums {
		all = append(all, item{name: name, count: count})
	}
	slices.SortFunc(all, byCount)
	s.lists[list] = all[:min(len(all), 10)]
}

func byCount(a, b item) int {
	return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.name, b.name))
}

func (s *summary) readDNS(n node) {
	wire, xact := n.at("wire_packets"), n.at("xact")
	s.dns = dns{
		events: wire.number("events"), total: wire.number("total"), udp: wire.number("udp"), tcp: wire.number("tcp"), ipv4: wire.number("ipv4"),
		ipv6: wire.number("ipv6"), queries: wire.number("queries"), replies: wire.number("replies"), rate: n.spread("rates", "total"),
		xacts: xact.number("counts", "total"), timedOut: xact.number("counts", "timed_out"), xactsIn: xact.number("in", "total"),
		xactsOut: xact.number("out", "total"), names: n.number("cardinality", "qname"),
		timeIn: xact.spread("in", "quantiles_us"), timeOut: xact.spread("out", "quantiles_us"),
		noerror: wire.number("noerror"), servfail: wire.number("srvfail"), nxdomain: wire.number("nxdomain"), refused: wire.number("refused"),
	}
	for _, list := range []string{
		"top_qname2", "top_qname3", "top_nxdomain", "top_qtype", "top_rcode", "top_srvfail", "top_refused", "top_udp_ports",
	} {
		s.lists[list] = n.items(list)
	}
	s.lists["slow_in"], s.lists["slow_out"] = xact.at("in").items("top_slow"), xact.at("out").items("top_slow")
}

func (s *summary) readDNSTransactions(n node) {
	replies, timedOut := n.sum("xacts"), n.sum("timeout_queries")
	s.dns = dns{
		events: n.number("observed_packets"), total: replies, queries: replies + timedOut, replies: replies,
		udp: n.sum("udp_xacts"), tcp: n.sum("tcp_xacts"), ipv4: n.sum("ipv4_xacts"), ipv6: n.sum("ipv6_xacts"), rate: n.rate("xact_rates"),
		xacts: replies, timedOut: timedOut, xactsIn: n.number("in", "xacts"), xactsOut: n.number("out", "xacts"), names: n.sum("cardinality", "qname"),
		timeIn: n.spread("in", "xact_time_us"), timeOut: n.spread("out", "xact_time_us"),
		noerror: n.sum("noerror_xacts"), servfail: n.sum("srvfail_xacts"), nxdomain: n.sum("nxdomain_xacts"), refused: n.sum("refused_xacts"),
	}
	s.addLists(n, map[string]string{
		"top_qname2": "top_qname2_xacts", "top_qname3": "top_qname3_xacts", "top_nxdomain": "top_nxdomain_xacts", "top_qtype": "top_qtype_xacts",
		"top_rcode": "top_rcode_xacts", "top_srvfail": "top_srvfail_xacts", "top_refused": "top_refused_xacts", "top_udp_ports": "top_udp_ports_xacts",
	})
	s.lists["slow_in"], s.lists["slow_out"] = n.at("in").items("top_slow_xacts"), n.at("out").items("top_slow_xacts")
}

func (s *summary) readDHCP(n node) {
	wire := n.at("wire_packets")
	s.dhcp = dhcp{
		events: wire.number("events"), filtered: wire.number("filtered"), total: wire.number("total"), discover: wire.number("discover"),
		offer: wire.number("offer"), request: wire.number("request"), ack: wire.number("ack"), rate: n.spread("rates", "total"),
	}
}

// sampled returns the share of packets that lists are based on.
func (s *summary) sampled() float64 {
	if s.packets.total == 0 || s.packets.deep == 0 {
		return 1
	}
	return s.packets.deep / s.packets.total
}

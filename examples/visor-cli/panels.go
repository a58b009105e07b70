package main

import (
	"cmp"
	"slices"
	"strings"

	"visor/handler/policy/drill"
)

// panel is a list on the screen.
type panel struct {
	title string
	list  string
	base  func(*summary) float64 // total for the shares of entries; nil shows only counts
	look  drill.Look             // drill-down into an entry; nil if there is none
}

// panels are the panels of pktvisor's client, in its order, four per row.
var panels = []panel{
	{"Top QName 2", "top_qname2", ofMessages, drill.Suffix},
	{"Top QName 3", "top_qname3", ofMessages, drill.Suffix},
	{"Top NX", "top_nxdomain", ofReplies, drill.Suffix},
	{"Slow In", "slow_in", ofTransactions, drill.Suffix},
	{"Top QTypes", "top_qtype", ofMessages, drill.QType},
	{"Top RCodes", "top_rcode", ofReplies, drill.RCode},
	{"Top SRVFAILS", "top_srvfail", ofReplies, drill.Suffix},
	{"Slow Out", "slow_out", ofTransactions, drill.Suffix},
	{"Top REFUSED", "top_refused", ofReplies, drill.Suffix},
	{"IPv4", "top_ipv4", ofPackets, drill.Address},
	{"IPv6", "top_ipv6", ofPackets, drill.Address},
	{"Top DNS UDP Ports", "top_udp_ports", ofMessages, drill.Port},
	{"Top GeoLoc", "top_geoLoc", ofPackets, drill.Place},
	{"Top ASN", "top_ASN", ofPackets, drill.ASN},
}

// behind are the panels of a drill-down.
var behind = []panel{
	{"IPv4", "top_ipv4", ofPackets, nil},
	{"IPv6", "top_ipv6", ofPackets, nil},
	{"Top ASN", "top_ASN", ofPackets, nil},
	{"Top GeoLoc", "top_geoLoc", ofPackets, nil},
	{"Top QName 2", "top_qname2", ofMessages, nil},
	{"Top QName 3", "top_qname3", ofMessages, nil},
	{"Top QTypes", "top_qtype", ofMessages, nil},
	{"Top RCodes", "top_rcode", ofReplies, nil},
	{"Top NX", "top_nxdomain", ofReplies, nil},
	{"Top SRVFAILS", "top_srvfail", ofReplies, nil},
	{"Top REFUSED", "top_refused", ofReplies, nil},
	{"Top DNS UDP Ports", "top_udp_ports", ofMessages, nil},
}

func ofPackets(s *summary) float64      { return s.packets.deep }
func ofMessages(s *summary) float64     { return s.dns.total * s.sampled() }
func ofReplies(s *summary) float64      { return s.dns.replies * s.sampled() }
func ofTransactions(s *summary) float64 { return s.dns.xacts * s.sampled() }

// order is the sort order of entries.
type order int

const (
	byEstimate order = iota
	byName
	orders
)

// entries returns the entries of p that contain the search text.
func (p *panel) entries(s *summary, search string, o order) []item {
	if s == nil {
		return nil
	}
	var out []item
	for _, it := range s.lists[p.list] {
		if strings.Contains(strings.ToLower(it.name), strings.ToLower(search)) {
			out = append(out, it)
		}
	}
	if o == byName {
		slices.SortStableFunc(out, func(a, b item) int { return cmp.Compare(a.name, b.name) })
	}
	return out
}

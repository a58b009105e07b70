package network

import (
	"visor/handler"
	"visor/handler/metric"
	"visor/sketch"
)

// The metric groups, in the order of their bits. All are enabled by default.
const (
	groupCardinality metric.GroupSet = 1 << iota
	groupCounters
	groupTopGeo
	groupTopIPs
	groupShape
	groupPorts
	groupSubnets
	groupSources

	// pktvisor lacks these
	ownGroups = groupShape | groupPorts | groupSubnets | groupSources
)

var groupNames = metric.GroupNames{
	"cardinality", "counters", "top_geo", "top_ips", "shape", "top_ports", "top_subnets", "sources",
}

var packetShapes = shapeGroups{shape: groupShape, ports: groupPorts, subnets: groupSubnets, sources: groupSources}

// Metrics holds the counts of a Handler. Packets to the local networks are "in", and packets from
// them are "out". The remote address is the one outside. Packets of unknown direction do not have
// one.
type Metrics struct {
	handler.EventCounts  `with:"what=packets events=events deep=deep_samples rate=pps_events filtered=filtered group=counters"`
	handler.PassedCounts `with:"what=packets total=total rate=pps_total group=counters"`

	In      sketch.Counter `metric:"in,counters" total:"packets direction=in" help:"ingress packets"`
	Out     sketch.Counter `metric:"out,counters" total:"packets direction=out" help:"egress packets"`
	Unknown sketch.Counter `metric:"unknown_dir,counters" total:"packets direction=unknown" help:"packets of unknown direction"`

	Counts `with:"packets= syn=protocol.tcp.syn geo=top_geoLoc asn=top_ASN size=payload_size sizes="`

	SrcIPsIn  sketch.Cardinality `metric:"cardinality.src_ips_in,cardinality" help:"distinct source addresses of ingress packets"`
	DstIPsOut sketch.Cardinality `metric:"cardinality.dst_ips_out,cardinality" help:"distinct destination addresses of egress packets"`

	RateIn       sketch.Rate `metric:"rates.pps_in" help:"ingress packets per second"`
	RateOut      sketch.Rate `metric:"rates.pps_out" help:"egress packets per second"`
	RateBytesIn  sketch.Rate `metric:"rates.bytes_in" total:"bytes direction=in" prom:"payload_rates_bytes_in" help:"captured ingress bytes per second"`
	RateBytesOut sketch.Rate `metric:"rates.bytes_out" total:"bytes direction=out" prom:"payload_rates_bytes_out" help:"captured egress bytes per second"`
	RateBytes    sketch.Rate `metric:"rates.bytes_total" total:"captured_bytes" prom:"payload_rates_bytes_total" help:"captured bytes per second"`

	Shape `with:","`
}

// Counts are the counts of both versions. Version 2.0 has them for each direction.
type Counts struct {
	IPv4    sketch.Counter `metric:"ipv4{packets},counters" total:"packets_by_ip_version ip_version=4" help:"IPv4 packets, by the outermost header"`
	IPv6    sketch.Counter `metric:"ipv6{packets},counters" total:"packets_by_ip_version ip_version=6" help:"IPv6 packets, by the outermost header"`
	UDP     sketch.Counter `metric:"udp{packets},counters" total:"packets_by_protocol protocol=udp" help:"UDP packets, by the outermost transport header"`
	TCP     sketch.Counter `metric:"tcp{packets},counters" total:"packets_by_protocol protocol=tcp" help:"TCP packets, by the outermost transport header"`
	OtherL4 sketch.Counter `metric:"other_l4{packets},counters" total:"packets_by_protocol protocol=other" help:"packets that are neither UDP nor TCP"`
	SYN     sketch.Counter `metric:"{syn},counters" total:"tcp_syn_packets" help:"TCP packets with the SYN flag, with or without ACK"`

	TopIPv4 metric.Top[metric.IPv4] `metric:"top_ipv4{packets},top_ips" label:"ipv4" help:"remote IPv4 addresses with the most packets"`
	TopIPv6 metric.Top[metric.IPv6] `metric:"top_ipv6{packets},top_ips" label:"ipv6" help:"remote IPv6 addresses with the most packets"`
	TopGeo  metric.TopLocations     `metric:"{geo},top_geo" label:"geo_loc" help:"locations of remote addresses with the most packets"`
	TopASN  metric.TopNames         `metric:"{asn},top_geo" label:"asn" help:"autonomous systems of remote addresses with the most packets"`

	PayloadSize sketch.Quantile `metric:"{size},{sizes}" total:"packet_size_bytes" help:"captured length of packets, bytes"`
}

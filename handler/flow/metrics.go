package flow

import (
	"visor/handler/metric"
	"visor/sketch"
)

// The metric groups, in the order of their bits.
const (
	groupBytes metric.GroupSet = 1 << iota
	groupPackets
	groupCardinality
	groupConversations
	groupCounters
	groupTopGeo
	groupTopInterfaces
	groupTopIPs
	groupTopIPPorts
	groupTopPorts
	groupTopToS

	defaultGroups = groupBytes | groupPackets | groupCardinality | groupCounters | groupTopIPs | groupTopIPPorts | groupTopPorts
)

var groupNames = metric.GroupNames{
	"by_bytes", "by_packets", "cardinality", "conversations", "counters", "top_geo", "top_interfaces", "top_ips", "top_ips_ports", "top_ports", "top_tos",
}

// Metrics holds the counts of a Handler.
type Metrics struct {
	// by address or configured name
	Devices metric.Map[Device] `metric:"devices" label:"device"`

	// Additions to pktvisor, left out of the answers while 0.
	Merged sketch.Counter `metric:"devices_merged,counters" sparse:"true" help:"devices that count as the device others for want of room"`
}

// Others is the name of the device or interface that counts all those without a place.
const Others = "others"

// Device holds the counts of one exporter.
type Device struct {
	Records  sketch.Counter `metric:"records_flows,counters" total:"records" help:"flow records that passed the filters"`
	Filtered sketch.Counter `metric:"records_filtered,counters" help:"flow records that did not pass the filters"`

	// Additions to pktvisor, left out of the answers while 0.
	Counters      sketch.Counter `metric:"counters_samples,counters" sparse:"true" help:"counters samples of sFlow, which are not read"`
	LostRecords   sketch.Counter `metric:"records_lost,counters" sparse:"true" help:"flow records that did not arrive, by the exporter's sequence numbers"`
	LostDatagrams sketch.Counter `metric:"datagrams_lost,counters" sparse:"true" help:"datagrams that did not arrive, by the exporter's sequence numbers"`
	HeldSets      sketch.Counter `metric:"data_sets_without_template,counters" sparse:"true" help:"data sets that came before their template, which count when it comes"`
	LostSets      sketch.Counter `metric:"data_sets_lost,counters" sparse:"true" help:"data sets whose template did not come in time"`
	Malformed     sketch.Counter `metric:"datagrams_malformed,counters" sparse:"true" help:"datagrams that contradict themselves, at least in part"`
	Unsupported   sketch.Counter `metric:"datagrams_unsupported,counters" sparse:"true" help:"datagrams of a version or an agent that is not read"`
	Merged        sketch.Counter `metric:"interfaces_merged,counters" sparse:"true" help:"interfaces that count as the interface others for want of room"`

	Bytes   TopInterfaces `with:"m=bytes,by_bytes"`
	Packets TopInterfaces `with:"m=packets,by_packets"`

	// by ifIndex or configured name
	Interfaces metric.Map[Interface] `metric:"interfaces" label:"device_interface"`

	in, out sketch.TopPairs // values behind Bytes and Packets
	shared  bool            // several addresses share one name
}

// TopInterfaces are the interfaces of a device by volume.
type TopInterfaces struct {
	In  metric.TopSide `metric:"top_in_interfaces_{m},top_interfaces" label:"interface" help:"input interfaces by {m}"`
	Out metric.TopSide `metric:"top_out_interfaces_{m},top_interfaces" label:"interface" help:"output interfaces by {m}"`
}

// Interface holds the counts of one interface: records that came in through it, and records that
// went out.
type Interface struct {
	SrcIPs        sketch.Cardinality `metric:"cardinality.src_ips_in,cardinality" help:"distinct source addresses"`
	DstIPs        sketch.Cardinality `metric:"cardinality.dst_ips_out,cardinality" help:"distinct destination addresses"`
	SrcPorts      sketch.Cardinality `metric:"cardinality.src_ports_in,cardinality" help:"distinct source ports"`
	DstPorts      sketch.Cardinality `metric:"cardinality.dst_ports_out,cardinality" help:"distinct destination ports"`
	Conversations sketch.Cardinality `metric:"cardinality.conversations,cardinality+conversations" help:"distinct pairs of addresses with ports"`

	InBytes    Volume `with:"d=in m=bytes,by_bytes"`
	OutBytes   Volume `with:"d=out m=bytes,by_bytes"`
	InPackets  Volume `with:"d=in m=packets,by_packets"`
	OutPackets Volume `with:"d=out m=packets,by_packets"`

	Bytes   Both `with:"m=bytes,by_bytes"`
	Packets Both `with:"m=packets,by_packets"`

	in, out oneWay // values behind the lists of volumes
	both    bothWays
	shared  bool // several ifIndexes share one name
}

// Volume is the traffic in one direction, in bytes or packets.
type Volume struct {
	All     sketch.Counter `metric:"{d}_{m},counters" total:"{m} direction={d}" help:"{m}, direction {d}"`
	UDP     sketch.Counter `metric:"{d}_udp_{m},counters" total:"protocol_{m} direction={d} protocol=udp" help:"{m} over UDP, direction {d}"`
	TCP     sketch.Counter `metric:"{d}_tcp_{m},counters" total:"protocol_{m} direction={d} protocol=tcp" help:"{m} over TCP, direction {d}"`
	OtherL4 sketch.Counter `metric:"{d}_other_l4_{m},counters" total:"protocol_{m} direction={d} protocol=other" help:"{m} over neither UDP nor TCP, direction {d}"`
	IPv4    sketch.Counter `metric:"{d}_ipv4_{m},counters" total:"ip_version_{m} direction={d} ip_version=4" help:"{m} over IPv4, or over neither, direction {d}"`
	IPv6    sketch.Counter `metric:"{d}_ipv6_{m},counters" total:"ip_version_{m} direction={d} ip_version=6" help:"{m} over IPv6, direction {d}"`

	TopSrcIPs     metric.TopSide `metric:"top_{d}_src_ips_{m},top_ips" label:"ip" help:"source addresses by {m}, direction {d}"`
	TopDstIPs     metric.TopSide `metric:"top_{d}_dst_ips_{m},top_ips" label:"ip" help:"destination addresses by {m}, direction {d}"`
	TopSrcPorts   metric.TopSide `metric:"top_{d}_src_ports_{m},top_ports" label:"port" help:"source ports by {m}, direction {d}"`
	TopDstPorts   metric.TopSide `metric:"top_{d}_dst_ports_{m},top_ports" label:"port" help:"destination ports by {m}, direction {d}"`
	TopSrcIPPorts metric.TopSide `metric:"top_{d}_src_ip_ports_{m},top_ips_ports" label:"ip_port" help:"source addresses and ports by {m}, direction {d}"`
	TopDstIPPorts metric.TopSide `metric:"top_{d}_dst_ip_ports_{m},top_ips_ports" label:"ip_port" help:"destination addresses and ports by {m}, direction {d}"`
	TopDSCP       metric.TopSide `metric:"top_{d}_dscp_{m},top_tos" label:"dscp" help:"differentiated services by {m}, direction {d}"`
	TopECN        metric.TopSide `metric:"top_{d}_ecn_{m},top_tos" label:"ecn" help:"congestion notification by {m}, direction {d}"`
}

// Both is the traffic in both directions, in bytes or packets.
type Both struct {
	TopGeo           metric.TopSide `metric:"top_geo_loc_{m},top_geo" label:"geo_loc" help:"locations of source and destination by {m}"`
	TopASN           metric.TopSide `metric:"top_asn_{m},top_geo" label:"asn" help:"autonomous systems of source and destination by {m}"`
	TopConversations metric.TopSide `metric:"top_conversations_{m},conversations" label:"conversation" help:"pairs of addresses with ports by {m}"`
}

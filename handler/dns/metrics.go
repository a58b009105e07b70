package dns

import (
	"visor/decode/dnsmsg"
	"visor/handler"
	"visor/handler/metric"
	"visor/sketch"
)

// The metric groups, in the order of their bits.
const (
	groupCardinality metric.GroupSet = 1 << iota
	groupCounters
	groupTransactions
	groupHistograms
	groupQuantiles
	groupTopECS
	groupTopPorts
	groupTopQNames
	groupTopQNamesDetails

	defaultGroups = groupCardinality | groupCounters | groupTransactions | groupQuantiles | groupTopPorts | groupTopQNames
)

var groupNames = metric.GroupNames{
	"cardinality", "counters", "dns_transaction", "histograms", "quantiles", "top_ecs", "top_ports", "top_qnames", "top_qnames_details",
}

// Metrics holds the counts of a Handler. A transaction is a reply with its query. It is "in" if the
// local networks answered, "out" if they asked. Queries that passed the filters either met their
// reply (Trans), ended as TimedOut, Evicted or Retried, or still wait.
type Metrics struct {
	handler.EventCounts  `with:"what=DNS messages events=wire_packets.events deep=wire_packets.deep_samples rate=events filtered=wire_packets.filtered group=counters"`
	handler.PassedCounts `with:"what=DNS messages total=wire_packets.total rate=total group=counters"`

	Queries  sketch.Counter `metric:"wire_packets.queries,counters" help:"DNS queries"`
	Replies  sketch.Counter `metric:"wire_packets.replies,counters" help:"DNS replies"`
	UDP      sketch.Counter `metric:"wire_packets.udp,counters" help:"DNS messages over UDP"`
	TCP      sketch.Counter `metric:"wire_packets.tcp,counters" help:"DNS messages over TCP"`
	IPv4     sketch.Counter `metric:"wire_packets.ipv4,counters" help:"DNS messages over IPv4"`
	IPv6     sketch.Counter `metric:"wire_packets.ipv6,counters" help:"DNS messages over IPv6"`
	NoError  sketch.Counter `metric:"wire_packets.noerror,counters" help:"replies with RCODE NOERROR"`
	NXDomain sketch.Counter `metric:"wire_packets.nxdomain,counters" help:"replies with RCODE NXDOMAIN"`
	ServFail sketch.Counter `metric:"wire_packets.srvfail,counters" help:"replies with RCODE SERVFAIL"`
	Refused  sketch.Counter `metric:"wire_packets.refused,counters" help:"replies with RCODE REFUSED"`
	NoData   sketch.Counter `metric:"wire_packets.nodata,counters" help:"replies with RCODE NOERROR and no answer record"`
	QueryECS sketch.Counter `metric:"wire_packets.query_ecs,counters+top_ecs" help:"queries with an EDNS client subnet"`

	QName sketch.Cardinality `metric:"cardinality.qname,cardinality" help:"distinct QNAMEs, of queries and replies"`

	TopQName2   metric.TopDomains `metric:"top_qname2,top_qnames" label:"qname" help:"names, cut to two labels"`
	TopQName3   metric.TopDomains `metric:"top_qname3,top_qnames" label:"qname" help:"names, cut to three labels"`
	TopNXDomain metric.TopDomains `metric:"top_nxdomain,top_qnames" label:"qname" help:"names answered with NXDOMAIN"`
	TopRefused  metric.TopDomains `metric:"top_refused,top_qnames" label:"qname" help:"names answered with REFUSED"`
	TopServFail metric.TopDomains `metric:"top_srvfail,top_qnames" label:"qname" help:"names answered with SERVFAIL"`
	TopNoData   metric.TopDomains `metric:"top_nodata,top_qnames" label:"qname" help:"names answered with NOERROR and no answer record"`
	TopNoError  metric.TopDomains `metric:"top_noerror,top_qnames+top_qnames_details" label:"qname" help:"names answered with NOERROR"`
	TopByBytes  metric.TopDomains `metric:"top_qname_by_resp_bytes,top_qnames+top_qnames_details" label:"qname" help:"names by the bytes of their replies"`

	TopPorts  metric.TopNumbers[metric.Port]  `metric:"top_udp_ports,top_ports" label:"port" help:"client ports"`
	TopQTypes metric.TopNumbers[dnsmsg.Type]  `metric:"top_qtype" label:"qtype" help:"query types, of queries and replies"`
	TopRCodes metric.TopNumbers[dnsmsg.RCode] `metric:"top_rcode" label:"rcode" help:"response codes"`

	TopECS    metric.TopNames     `metric:"top_query_ecs,top_ecs" label:"ecs" help:"EDNS client subnet addresses of queries"`
	TopGeoECS metric.TopLocations `metric:"top_geoLoc_ecs,top_ecs" label:"geo_loc" help:"locations of EDNS client subnet addresses"`
	TopASNECS metric.TopNames     `metric:"top_asn_ecs,top_ecs" label:"asn" help:"autonomous systems of EDNS client subnet addresses"`

	Trans         sketch.Counter   `metric:"xact.counts.total,dns_transaction" help:"transactions: replies that met their query in time"`
	TimedOut      sketch.Counter   `metric:"xact.counts.timed_out,dns_transaction" help:"queries without a reply in time"`
	Evicted       sketch.Counter   `metric:"xact.counts.evicted,dns_transaction" help:"queries forgotten before their reply or timeout because too many waited"`
	Retried       sketch.Counter   `metric:"xact.counts.retried,dns_transaction" help:"queries sent again, with the same ID and question, before the reply"`
	TransInTotal  sketch.Counter   `metric:"xact.in.total,dns_transaction" help:"ingress transactions: this side answered"`
	TransOutTotal sketch.Counter   `metric:"xact.out.total,dns_transaction" help:"egress transactions: this side asked"`
	TransIn       sketch.Quantile  `metric:"xact.in.quantiles_us,dns_transaction+quantiles" help:"time from query to reply of ingress transactions, microseconds"`
	TransOut      sketch.Quantile  `metric:"xact.out.quantiles_us,dns_transaction+quantiles" help:"time from query to reply of egress transactions, microseconds"`
	HistIn        sketch.Histogram `metric:"xact.in.histogram_us,dns_transaction+histograms" help:"time from query to reply of ingress transactions, microseconds"`
	HistOut       sketch.Histogram `metric:"xact.out.histogram_us,dns_transaction+histograms" help:"time from query to reply of egress transactions, microseconds"`
	Ratio         sketch.Quantile  `metric:"xact.ratio.quantiles,dns_transaction+quantiles" float:"true" help:"length of the reply divided by that of its query"`
	SlowIn        metric.TopNames  `metric:"xact.in.top_slow,dns_transaction" label:"qname" help:"names of ingress transactions slower than the 90th percentile of the previous period"`
	SlowOut       metric.TopNames  `metric:"xact.out.top_slow,dns_transaction" label:"qname" help:"names of egress transactions slower than the 90th percentile of the previous period"`

	// dnstap messages by type: "auth", "client" and so on, created on first use
	Taps metric.Map[Tapped] `metric:"dnstap" label:"dnstap_type"`
}

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
	groupEDNS
	groupMessages
	groupTraffic
	groupDomains
	groupClientNames
	groupServers
	groupTopClients
	groupTopTimeouts

	// pktvisor lacks these
	ownGroups = groupEDNS | groupMessages | groupTraffic | groupDomains | groupClientNames | groupServers | groupTopClients | groupTopTimeouts

	defaultGroups = groupCardinality | groupCounters | groupTransactions | groupQuantiles | groupTopPorts | groupTopQNames
)

var groupNames = metric.GroupNames{
	"cardinality", "counters", "dns_transaction", "histograms", "quantiles", "top_ecs", "top_ports", "top_qnames", "top_qnames_details",
	"edns", "messages", "traffic", "names_by_domain", "client_names", "servers", "top_clients", "top_timeouts",
}

var messageContent = contentGroups{edns: groupEDNS, messages: groupMessages, traffic: groupTraffic}

var messageHosts = hostGroups{clients: groupTopClients, names: groupClientNames, servers: groupServers, timeouts: groupTopTimeouts}

var messageNames = nameGroups{
	distinct: groupCardinality, parts: groupTopQNames, results: groupTopQNames,
	details: groupTopQNames | groupTopQNamesDetails, bytes: groupTopQNames | groupTopQNamesDetails, domains: groupDomains,
}

// Metrics holds the counts of a Handler. A transaction is a reply with its query. It is "in" if the
// local networks answered, "out" if they asked. Queries that passed the filters either met their
// reply (Trans), ended as TimedOut, Evicted or Retried, or still wait.
type Metrics struct {
	handler.EventCounts  `with:"what=DNS messages events=wire_packets.events deep=wire_packets.deep_samples rate=events filtered=wire_packets.filtered group=counters"`
	handler.PassedCounts `with:"what=DNS messages total=wire_packets.total rate=total group=counters"`

	Queries sketch.Counter `metric:"wire_packets.queries,counters" total:"queries" help:"DNS queries"`
	Replies sketch.Counter `metric:"wire_packets.replies,counters" total:"replies" help:"DNS replies"`

	Counts `with:"path=wire_packets. xacts= unit=messages what=DNS messages replies=replies ecs=wire_packets.query_ecs ecs_groups=counters+top_ecs queries=queries with results=top_qnames details=top_qnames+top_qnames_details bytes=top_qname_by_resp_bytes sizes=top_qnames+top_qnames_details codes= types= subnets=top_query_ecs places=top_geoLoc_ecs ratio=xact.ratio.quantiles ratios=dns_transaction+quantiles"`

	Trans    sketch.Counter `metric:"xact.counts.total,dns_transaction" total:"transactions" help:"transactions: replies that met their query in time"`
	TimedOut sketch.Counter `metric:"xact.counts.timed_out,dns_transaction" total:"queries_timed_out" help:"queries without a reply in time"`
	Evicted  sketch.Counter `metric:"xact.counts.evicted,dns_transaction" total:"queries_evicted" help:"queries forgotten before their reply or timeout because too many waited"`
	Retried  sketch.Counter `metric:"xact.counts.retried,dns_transaction" total:"queries_retried" help:"queries sent again, with the same ID and question, before the reply"`

	In  OneWay `with:"d=in way=ingress did=answered,dns_transaction"`
	Out OneWay `with:"d=out way=egress did=asked,dns_transaction"`

	// dnstap messages by type: "auth", "client" and so on, created on first use
	DNSTap metric.Map[DNSTapCounts] `metric:"dnstap" total:"dnstap_type" label:"dnstap_type"`

	Content `with:","`

	Clients Clients `with:""`
	// by address, the 64 busiest; "others" holds the rest
	Servers metric.Map[Server] `metric:"servers,servers" label:"dns_server"`
}

// Bind connects the lists of clients. A set of metrics calls it.
func (m *Metrics) Bind() { m.Clients.bind() }

// OneWay holds the counts of one direction's transactions, in version 1.0.
type OneWay struct {
	Total sketch.Counter   `metric:"xact.{d}.total" total:"transactions_by_direction direction={d}" help:"{way} transactions: this side {did}"`
	Time  sketch.Quantile  `metric:"xact.{d}.quantiles_us,quantiles" total:"transaction_duration_seconds direction={d}" help:"time from query to reply of {way} transactions, microseconds"`
	Hist  sketch.Histogram `metric:"xact.{d}.histogram_us,histograms" total:"transaction_duration_seconds direction={d}" help:"time from query to reply of {way} transactions, microseconds"`
	Slow  metric.TopNames  `metric:"xact.{d}.top_slow" label:"qname" help:"names of {way} transactions slower than the 90th percentile of the previous period"`
}

// Counts are the counts of both versions: version 1.0 counts messages, and version 2.0 counts the
// transactions of each direction.
type Counts struct {
	UDP      sketch.Counter `metric:"{path}udp{xacts},counters" total:"{unit}_by_transport transport=udp" help:"{what} over UDP"`
	TCP      sketch.Counter `metric:"{path}tcp{xacts},counters" total:"{unit}_by_transport transport=tcp" help:"{what} over TCP"`
	IPv4     sketch.Counter `metric:"{path}ipv4{xacts},counters" total:"{unit}_by_ip_version ip_version=4" help:"{what} over IPv4"`
	IPv6     sketch.Counter `metric:"{path}ipv6{xacts},counters" total:"{unit}_by_ip_version ip_version=6" help:"{what} over IPv6"`
	NoError  sketch.Counter `metric:"{path}noerror{xacts},counters" total:"{replies}_by_rcode rcode=NOERROR" help:"{replies} with RCODE NOERROR"`
	NXDomain sketch.Counter `metric:"{path}nxdomain{xacts},counters" total:"{replies}_by_rcode rcode=NXDOMAIN" help:"{replies} with RCODE NXDOMAIN"`
	ServFail sketch.Counter `metric:"{path}srvfail{xacts},counters" total:"{replies}_by_rcode rcode=SRVFAIL" help:"{replies} with RCODE SERVFAIL"`
	Refused  sketch.Counter `metric:"{path}refused{xacts},counters" total:"{replies}_by_rcode rcode=REFUSED" help:"{replies} with RCODE REFUSED"`
	NoData   sketch.Counter `metric:"{path}nodata{xacts},counters" total:"{replies}_without_data" help:"{replies} with RCODE NOERROR and no answer record"`
	// counted if top_ecs is enabled
	ECS sketch.Counter `metric:"{ecs},{ecs_groups}" total:"{unit}_with_ecs" help:"{queries} an EDNS client subnet"`

	QName sketch.Cardinality `metric:"cardinality.qname,cardinality" help:"distinct QNAMEs"`

	TopQName2   metric.TopDomains `metric:"top_qname2{xacts},top_qnames" label:"qname" help:"names, cut to two labels"`
	TopQName3   metric.TopDomains `metric:"top_qname3{xacts},top_qnames" label:"qname" help:"names, cut to three labels"`
	TopNXDomain metric.TopDomains `metric:"top_nxdomain{xacts},{results}" label:"qname" help:"names answered with NXDOMAIN"`
	TopRefused  metric.TopDomains `metric:"top_refused{xacts},{results}" label:"qname" help:"names answered with REFUSED"`
	TopServFail metric.TopDomains `metric:"top_srvfail{xacts},{results}" label:"qname" help:"names answered with SERVFAIL"`
	TopNoData   metric.TopDomains `metric:"top_nodata{xacts},{results}" label:"qname" help:"names answered with NOERROR and no answer record"`
	TopNoError  metric.TopDomains `metric:"top_noerror{xacts},{details}" label:"qname" help:"names answered with NOERROR"`
	TopBytes    metric.TopDomains `metric:"{bytes},{sizes}" label:"qname" help:"names by the bytes of their replies"`

	// in version 2.0 also names of queries without a reply in time, cut to the last 62 bytes
	Names  metric.TopDistinctNames `metric:"names_by_domain{xacts},names_by_domain" label:"domain" help:"domains with the most distinct names below them"`
	Failed metric.TopDistinctNames `metric:"failed_names_by_domain{xacts},names_by_domain" label:"domain" help:"domains with the most distinct names below them answered with NXDOMAIN, SERVFAIL or REFUSED"`

	TopPorts  metric.TopNumbers[metric.Port]  `metric:"top_udp_ports{xacts},top_ports" label:"port" help:"client ports"`
	TopQTypes metric.TopNumbers[dnsmsg.Type]  `metric:"top_qtype{xacts},{types}" total:"{unit}_by_qtype" label:"qtype" help:"query types"`
	TopRCodes metric.TopNumbers[dnsmsg.RCode] `metric:"top_rcode{xacts},{codes}" total:"{replies}_by_rcode" label:"rcode" help:"response codes"`

	TopECS    metric.TopNames     `metric:"{subnets},top_ecs" label:"ecs" help:"EDNS client subnet addresses of queries"`
	TopGeoECS metric.TopLocations `metric:"{places},top_ecs" label:"geo_loc" help:"locations of EDNS client subnet addresses"`
	TopASNECS metric.TopNames     `metric:"top_asn_ecs{xacts},top_ecs" label:"asn" help:"autonomous systems of EDNS client subnet addresses"`

	Ratio sketch.Quantile `metric:"{ratio},{ratios}" total:"response_query_size_ratio" float:"true" help:"length of the reply divided by the length of its query"`
}

// addResult adds n replies.
func (c *Counts) addResult(code dnsmsg.RCode, n uint64) {
	switch code {
	case dnsmsg.RCodeNoError:
		c.NoError.Add(n)
	case dnsmsg.RCodeNXDomain:
		c.NXDomain.Add(n)
	case dnsmsg.RCodeServFail:
		c.ServFail.Add(n)
	case dnsmsg.RCodeRefused:
		c.Refused.Add(n)
	}
}

// addRatio counts the sizes of a query and its reply, if both are known.
func (c *Counts) addRatio(query uint32, reply dnsmsg.Message) {
	if query > 0 && len(reply) > 0 {
		c.Ratio.Add(float64(len(reply)) / float64(query))
	}
}

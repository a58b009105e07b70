package dns

import (
	"errors"

	"visor/handler"
	"visor/handler/metric"
	"visor/sketch"
)

// The metric groups of version 2.0, in the order of their bits.
const (
	xactCardinality metric.GroupSet = 1 << iota
	xactCounters
	xactQuantiles
	xactTopECS
	xactTopPorts
	xactTopQNames
	xactTopQTypes
	xactTopRCodes
	xactTopSize
	xactTimes
	xactEDNS
	xactMessages
	xactTraffic
	xactDomains
	xactClientNames
	xactServers
	xactTopClients
	xactTopTimeouts

	// pktvisor lacks these
	xactOwnGroups = xactEDNS | xactMessages | xactTraffic | xactDomains | xactClientNames | xactServers | xactTopClients | xactTopTimeouts

	xactDefaultGroups = xactCardinality | xactCounters | xactQuantiles | xactTopQNames | xactTopQTypes | xactTopRCodes
)

var xactGroupNames = metric.GroupNames{
	"cardinality", "counters", "quantiles", "top_ecs", "top_ports", "top_qnames", "top_qtypes", "top_rcodes", "top_size", "xact_times",
	"edns", "messages", "traffic", "names_by_domain", "client_names", "servers", "top_clients", "top_timeouts",
}

var transactionContent = contentGroups{edns: xactEDNS, messages: xactMessages, traffic: xactTraffic}

var transactionHosts = hostGroups{clients: xactTopClients, names: xactClientNames, servers: xactServers, timeouts: xactTopTimeouts}

var transactionNames = nameGroups{
	distinct: xactCardinality, parts: xactTopQNames, results: xactTopRCodes, details: xactTopRCodes, bytes: xactTopSize, domains: xactDomains,
}

// TransactionMetrics holds the counts of a TransactionHandler: the same transaction metrics for
// each direction.
type TransactionMetrics struct {
	// Filtered includes messages that lost their other half to a filter.
	handler.EventCounts `with:"what=DNS messages events=observed_packets deep=deep_sampled_packets rate=observed_pps filtered=filtered_packets group=counters"`
	// "in", "out" and "unknown", created on first use
	Directions metric.Map[Direction] `metric:"" total:"direction" label:"direction"`
	// dnstap messages by type: "auth", "client" and so on, created on first use
	DNSTap metric.Map[DNSTapCounts] `metric:"dnstap" total:"dnstap_type" label:"dnstap_type"`

	Clients Clients `with:""`
	// by address, the 64 busiest; "others" holds the rest
	Servers metric.Map[Server] `metric:"servers,servers" label:"dns_server"`
}

// Bind connects the lists of clients. A set of metrics calls it.
func (m *TransactionMetrics) Bind() { m.Clients.bind() }

// Direction holds the counts of one direction's transactions: "in" if the local networks answered,
// "out" if they asked. A transaction is counted when its reply arrives. The fields of the reply
// count unless a metric's help text names the query.
type Direction struct {
	Trans  sketch.Counter `metric:"xacts,counters" total:"transactions" help:"transactions: replies that met their query in time"`
	Counts `with:"path= xacts=_xacts unit=transactions what=transactions replies=transactions ecs=ecs_xacts ecs_groups=counters queries=transactions whose query had results=top_rcodes details=top_rcodes bytes=top_response_bytes sizes=top_size codes=top_rcodes types=top_qtypes subnets=top_ecs_xacts places=top_geo_loc_ecs_xacts ratio=response_query_size_ratio ratios=top_size"`

	DoT         sketch.Counter `metric:"dot_xacts,counters" total:"transactions_by_transport transport=dot" help:"transactions over TLS (RFC 7858), by dnstap"`
	DoH         sketch.Counter `metric:"doh_xacts,counters" total:"transactions_by_transport transport=doh" help:"transactions over HTTPS (RFC 8484), by dnstap"`
	DNSCryptUDP sketch.Counter `metric:"dnscrypt_udp_xacts,counters" total:"transactions_by_transport transport=dnscrypt_udp" help:"transactions over DNSCrypt and UDP, by dnstap"`
	DNSCryptTCP sketch.Counter `metric:"dnscrypt_tcp_xacts,counters" total:"transactions_by_transport transport=dnscrypt_tcp" help:"transactions over DNSCrypt and TCP, by dnstap"`
	DoQ         sketch.Counter `metric:"doq_xacts,counters" total:"transactions_by_transport transport=doq" help:"transactions over QUIC (RFC 9250), by dnstap"`
	AA          sketch.Counter `metric:"authoritative_answer_xacts,counters" total:"transactions_authoritative" help:"transactions with an authoritative answer"`
	AD          sketch.Counter `metric:"authenticated_data_xacts,counters" total:"transactions_authenticated" help:"transactions with authenticated data"`
	CD          sketch.Counter `metric:"checking_disabled_xacts,counters" total:"transactions_checking_disabled" help:"transactions whose query disabled checking"`
	TimedOut    sketch.Counter `metric:"timeout_queries,counters" total:"queries_timed_out" help:"queries without a reply in time"`
	Evicted     sketch.Counter `metric:"evicted_queries,counters" total:"queries_evicted" help:"queries forgotten before their reply or timeout because too many waited"`
	Retried     sketch.Counter `metric:"retried_queries,counters" total:"queries_retried" help:"queries sent again, with the same ID and question, before the reply"`
	Orphans     sketch.Counter `metric:"orphan_responses,counters" total:"replies_without_query" help:"replies without a query"`
	RateTrans   sketch.Rate    `metric:"xact_rates,quantiles" help:"transactions per second"`

	Time sketch.Quantile   `metric:"xact_time_us,xact_times" total:"transaction_duration_seconds" help:"time from query to reply, microseconds"`
	Hist sketch.Histogram  `metric:"xact_histogram_us,xact_times" total:"transaction_duration_seconds" help:"time from query to reply, microseconds"`
	Slow metric.TopDomains `metric:"top_slow_xacts,xact_times" label:"qname" help:"names of transactions slower than the 90th percentile of the previous period"`

	Content `with:","`
}

// TransactionHandler is the DNS analyzer of version 2.0, which counts transactions by direction.
// OnlyQueries and OnlyReplies do not apply, because a transaction needs both halves.
type TransactionHandler struct{ declared[TransactionMetrics] }

var _ handler.Handler = (*TransactionHandler)(nil)

// NewTransactions returns a TransactionHandler, or an error listing all problems in cfg.
func NewTransactions(cfg Config) (*TransactionHandler, error) {
	d, err := declare[TransactionMetrics](cfg, "2.0", xactGroupNames, xactDefaultGroups, xactOwnGroups)
	if cfg.OnlyQueries || cfg.OnlyReplies {
		err = errors.Join(err, errors.New("dns: version 2.0 counts transactions and supports neither OnlyQueries nor OnlyReplies"))
	}
	if err != nil {
		return nil, err
	}
	d.Bound(func(m *TransactionMetrics) { boundServers(&m.Servers) })
	return &TransactionHandler{d}, nil
}

// FromTransactions returns the metrics of the first DNS handler of version 2.0 in s, or nil without
// one.
func FromTransactions(s *handler.Snapshot) *TransactionMetrics {
	return handler.Find[TransactionMetrics](s)
}

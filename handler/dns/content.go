package dns

import (
	"strconv"

	"visor/decode/dnsmsg"
	"visor/handler/metric"
	"visor/sketch"
)

// Content holds what messages contain, in both versions. Version 1.0 counts all messages. Version
// 2.0 counts them for each direction: "in" has the queries that the local networks receive and the
// replies that they send. pktvisor has none of these metrics. Counters and histograms are exact at
// every sampling rate, unlike lists and distinct counts.
type Content struct {
	EDNS    EDNSCounts    `with:","`
	Bits    HeaderCounts  `with:","`
	Traffic TrafficCounts `with:","`
}

// EDNSCounts are the counts of EDNS (RFC 6891): offers and extended errors.
type EDNSCounts struct {
	Queries  sketch.Counter `metric:"edns.queries,edns" help:"queries with EDNS"`
	Replies  sketch.Counter `metric:"edns.replies,edns" help:"replies with EDNS"`
	DO       sketch.Counter `metric:"edns.dnssec_ok,edns" help:"queries that ask for DNSSEC records (DO)"`
	Cookies  sketch.Counter `metric:"edns.cookies,edns" help:"queries with a cookie (RFC 7873)"`
	NSID     sketch.Counter `metric:"edns.nsid,edns" help:"queries that ask for the identifier of the server (RFC 5001)"`
	Subnets  sketch.Counter `metric:"edns.client_subnets,edns" help:"queries with a client subnet (RFC 7871)"`
	Versions sketch.Counter `metric:"edns.other_versions,edns" help:"messages of an EDNS version other than 0"`

	TopUDPSize metric.TopNumbers[UDPSize] `metric:"top_edns_udp_size,edns" label:"size" help:"largest datagrams that queries accept, bytes"`
	// a message counts once for each of its errors
	TopEDE metric.TopNumbers[dnsmsg.ExtendedError] `metric:"top_ede,edns" label:"ede" help:"extended errors of replies (RFC 8914)"`
	// by extended error; the first eight of a period, and "other". Created on first use
	EDE metric.Map[Failed] `metric:"ede,edns" label:"ede"`
}

// Failed holds the names behind an extended error.
type Failed struct {
	Names metric.TopDomains `metric:"top_qname" prom:"dns_ede_top_qname" label:"qname" help:"names whose replies had the extended error"`
}

// failedNames is the capacity of a list of Failed. There may be nine.
const failedNames = 256

// Bind makes the list short.
func (f *Failed) Bind() { f.Names.Limit(failedNames) }

// HeaderCounts are the counts of header bits and of the first question.
type HeaderCounts struct {
	TC sketch.Counter `metric:"header.truncated,messages" help:"replies that were truncated (TC)"`
	AA sketch.Counter `metric:"header.authoritative,messages" help:"authoritative replies (AA)"`
	AD sketch.Counter `metric:"header.authenticated,messages" help:"replies whose data is authenticated (AD)"`
	CD sketch.Counter `metric:"header.checking_disabled,messages" help:"queries that disable checking (CD)"`
	RD sketch.Counter `metric:"header.recursion_desired,messages" help:"queries that desire recursion (RD)"`

	TopOpcodes metric.TopNumbers[dnsmsg.Opcode] `metric:"top_opcode,messages" label:"opcode" help:"opcodes of messages"`
	TopClasses metric.TopNumbers[dnsmsg.Class]  `metric:"top_class,messages" label:"class" help:"classes of first questions"`

	Labels metric.Lengths `metric:"names.labels,messages" help:"labels of the QNAMEs of queries"`
	Bytes  metric.Lengths `metric:"names.bytes,messages" help:"length of the QNAMEs of queries on the wire, bytes"`
}

// TrafficCounts are the counts that RSSAC002v5 asks for, see package rssac002. Messages whose
// addresses are unknown, as dnstap may have, do not count.
type TrafficCounts struct {
	UDP Volume `with:"t=udp T=UDP"`
	TCP Volume `with:"t=tcp T=TCP"`

	RCodes metric.TopNumbers[dnsmsg.RCode] `metric:"traffic.rcodes,traffic" label:"rcode" help:"response codes of all replies, with the bits that EDNS adds"`

	IPv4   sketch.Cardinality `metric:"cardinality.sources_ipv4,traffic" help:"distinct IPv4 addresses that sent queries"`
	IPv6   sketch.Cardinality `metric:"cardinality.sources_ipv6,traffic" help:"distinct IPv6 addresses that sent queries"`
	IPv6by sketch.Cardinality `metric:"cardinality.sources_ipv6_64,traffic" help:"distinct /64 networks of IPv6 addresses that sent queries"`
}

// Volume holds the counts of one transport.
type Volume struct {
	QueriesIPv4 sketch.Counter `metric:"traffic.{t}_queries_ipv4,traffic" total:"queries_by_transport transport={t} ip_version=4" help:"queries over {T} and IPv4"`
	QueriesIPv6 sketch.Counter `metric:"traffic.{t}_queries_ipv6,traffic" total:"queries_by_transport transport={t} ip_version=6" help:"queries over {T} and IPv6"`
	RepliesIPv4 sketch.Counter `metric:"traffic.{t}_replies_ipv4,traffic" total:"replies_by_transport transport={t} ip_version=4" help:"replies over {T} and IPv4"`
	RepliesIPv6 sketch.Counter `metric:"traffic.{t}_replies_ipv6,traffic" total:"replies_by_transport transport={t} ip_version=6" help:"replies over {T} and IPv6"`

	QuerySizes metric.Sizes `metric:"traffic.{t}_query_bytes,traffic" total:"query_size_bytes transport={t}" help:"length of queries over {T}, bytes"`
	ReplySizes metric.Sizes `metric:"traffic.{t}_reply_bytes,traffic" total:"reply_size_bytes transport={t}" help:"length of replies over {T}, bytes"`
}

// UDPSize is the size of the largest datagram that a sender accepts, as a list key.
type UDPSize uint16

// String returns the number of bytes.
func (s UDPSize) String() string { return strconv.Itoa(int(s)) }

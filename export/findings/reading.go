package findings

import (
	"slices"
	"strings"
	"time"

	"visor/handler"
	"visor/handler/metric"
)

// listLength is the number of entries that are read of each list.
const listLength = 100

// reading is one module of one period: its metrics by path. Detectors look metrics up by path, so
// that one that a module lacks counts as absent.
type reading struct {
	module *handler.Module
	start  time.Time
	end    time.Time
	length float64 // seconds
	short  bool    // less than a quarter of a period: too little to compare
	values map[string]*metric.Value
	factor float64 // events for each one that lists count: more than 1 if they count a sample
}

// analyzed are the types of modules that have detectors.
var analyzed = []string{"dns", "net", "pcap"}

// Analyzes reports whether there are detectors for the metrics of a type of handler.
func Analyzes(typ string) bool { return slices.Contains(analyzed, typ) }

// read returns nil for a module without a period, and for one without detectors.
func read(m *handler.Module, period time.Duration) *reading {
	length := m.Length
	if m.Start.IsZero() || m.Silent() || !Analyzes(m.Type) {
		return nil
	}
	if length <= 0 { // less than a second
		length = time.Second
	}
	long := *m
	long.TopN, long.TopPercentile = listLength, 0
	r := &reading{
		module: m, start: m.Start, end: m.Start.Add(length), length: length.Seconds(), short: length < period/4,
		values: make(map[string]*metric.Value),
	}
	values := long.Values()
	for i := range values {
		r.values[strings.Join(values[i].Path, ".")] = &values[i]
	}
	r.unsample()
	return r
}

// leastFactor is the least factor that shows a sample. Messages that cannot be read are in no list
// either, and are a small part of all.
const leastFactor = 1.5

// exact are the lists that count all events at every sampling rate.
var exact = map[string]bool{"top_protocol": true, "top_icmp": true}

// unsample multiplies what lists count by the sampling rate, as counters are exact. Distinct names
// are multiplied too, since names that few clients ask for are what findings are about.
func (r *reading) unsample() {
	r.factor = 1
	for _, paths := range [][2]string{{"events", "deep_samples"}, {"wire_packets.events", "wire_packets.deep_samples"}, {"observed_packets", "deep_sampled_packets"}} {
		if all, deep := r.count(paths[0]), r.count(paths[1]); deep > 0 {
			r.factor = all / deep
		}
	}
	if r.factor < leastFactor {
		r.factor = 1
		return
	}
	for _, v := range r.values {
		if exact[v.Path[len(v.Path)-1]] {
			continue
		}
		v.Total, v.Error = r.whole(v.Total), r.whole(v.Error)
		for i := range v.Items {
			it := &v.Items[i]
			it.Estimate, it.Lower, it.Weight = r.whole(it.Estimate), r.whole(it.Lower), r.whole(it.Weight)
		}
	}
	for _, prefix := range append([]string{""}, directions...) {
		if v := r.values[strings.TrimPrefix(prefix+".cardinality.qname", ".")]; v != nil {
			v.Int = r.whole(v.Int)
		}
	}
}

// whole returns the number of events for n in a list.
func (r *reading) whole(n uint64) uint64 { return uint64(r.factor * float64(n)) }

// has reports whether the module has a metric.
func (r *reading) has(path string) bool { return r.values[path] != nil }

// count returns the number of a counter or a cardinality, or the sum of a rate; 0 if it is absent.
func (r *reading) count(path string) float64 {
	v := r.values[path]
	switch {
	case v == nil:
		return 0
	case v.Kind == metric.KindRate || v.Kind == metric.KindQuantile:
		return v.Quantiles.Sum
	}
	return float64(v.Int)
}

// items returns the entries of a list.
func (r *reading) items(path string) []metric.Item {
	if v := r.values[path]; v != nil {
		return v.Items
	}
	return nil
}

// list returns the first n entries of a list as evidence.
func (r *reading) list(path string, n int) (out []Part) {
	v := r.values[path]
	if v == nil {
		return nil
	}
	for _, it := range v.Items[:min(n, len(v.Items))] {
		out = append(out, Part{Name: it.Name, Count: it.Estimate, Share: share(float64(it.Estimate), float64(v.Total))})
	}
	return out
}

// share returns part/whole, from 0 to 1.
func share(part, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return min(max(part/whole, 0), 1)
}

// view is the part of a reading that detectors look at: all of a module of version 1.0, or one
// direction of a module of version 2.0.
type view struct {
	*reading
	*stream
	cfg    *Config
	scope  string // direction; "" for all
	prefix string // of paths
	suffix string // of paths of lists and counters, in version 2.0
	first  bool   // the first view of a module, which also shows what has no direction
	found  []signal
	minute []List // of minuteLists, nil before its first call
}

// directions are the scopes of version 2.0.
var directions = []string{"in", "out", "unknown"}

// views returns the views of a reading.
func views(r *reading, s *stream, cfg *Config) (out []*view) {
	if r.module.Version != "2.0" {
		return []*view{{reading: r, stream: s, cfg: cfg, first: true}}
	}
	suffix := map[string]string{"dns": "_xacts", "net": "_packets"}[r.module.Type]
	for _, d := range directions {
		seen := slices.ContainsFunc([]string{"xacts", "total_packets", "timeout_queries"}, func(p string) bool { return r.has(d + "." + p) })
		if seen {
			out = append(out, &view{reading: r, stream: s, cfg: cfg, scope: d, prefix: d + ".", suffix: suffix, first: len(out) == 0})
		}
	}
	return out
}

// path returns the path of a metric of the view. Names are as in version 1.0, without the group
// wire_packets.
func (v *view) path(name string) string {
	if p, ok := ofModule[name]; ok && v.module.Type == "dns" {
		return p
	}
	if p, ok := paths[v.module.Type+v.module.Version][name]; ok {
		return v.prefix + p
	}
	switch {
	case v.suffix != "":
		return v.prefix + name + v.suffix
	case v.module.Type == "dns" && !strings.HasPrefix(name, "top_") && !strings.Contains(name, "_by_") && name != "ratio":
		return "wire_packets." + name
	}
	return name
}

// ofModule are the paths of metrics of both versions that have no direction.
var ofModule = map[string]string{
	"top_clients": "top_clients.queries", "top_failed_clients": "top_clients.nxdomain", "top_client_subnets": "top_client_subnets.queries",
	"top_refused_clients": "top_clients.failed", "top_timeouts": "top_timeouts", copied: copied, clientNames: clientNames, "sources": "cardinality.clients",
}

// paths are the irregular paths, by type and version.
var paths = map[string]map[string]string{
	"dns1.0": {"query_bytes": "traffic.udp_query_bytes", "reply_bytes": "traffic.udp_reply_bytes", "dnssec_ok": "edns.dnssec_ok", "timed_out": "xact.counts.timed_out", "names": "cardinality.qname", "ratio": "xact.ratio.quantiles", "time_in": "xact.in.quantiles_us", "time_out": "xact.out.quantiles_us"},
	"dns2.0": {"query_bytes": "traffic.udp_query_bytes", "reply_bytes": "traffic.udp_reply_bytes", "dnssec_ok": "edns.dnssec_ok", "timed_out": "timeout_queries", "names": "cardinality.qname", "queries": "xacts", "replies": "xacts", "ratio": "response_query_size_ratio", "time_in": "xact_time_us", "time_out": "xact_time_us"},
	"net1.0": {"sources": "cardinality.sources", "bytes": "rates.bytes_total", "syn": "protocol.tcp.syn", "top_asn": "top_ASN", "opening": "flags.syn_without_ack", "opened": "flags.syn_ack", "rst": "flags.rst", "top_dst_port": "top_dst_port"},
	"net2.0": {"sources": "cardinality.ips", "bytes": "rates.bps", "total": "total_packets", "syn": "tcp.syn_packets", "opening": "flags.syn_without_ack", "opened": "flags.syn_ack", "rst": "flags.rst", "top_dst_port": "top_dst_port", "top_src_port": "top_src_port", "top_ipv4_subnet": "top_ipv4_subnet", "top_ipv6_subnet": "top_ipv6_subnet", "top_geoLoc": "top_geo_loc_packets", "top_protocol": "top_protocol", "top_icmp": "top_icmp"},
}

// number returns a count of the view by its name in version 1.0.
func (v *view) number(name string) float64 { return v.count(v.path(name)) }

// queries returns the number of queries, also of those without a reply. Where only replies are
// seen, as dnstap may have them, each stands for its query.
func (v *view) queries() float64 {
	switch {
	case v.module.Version == "2.0":
		return v.number("queries") + v.number("timed_out")
	case v.repliesAlone():
		return v.number("replies")
	}
	return v.number("queries")
}

// repliesAlone reports whether the module counts messages and sees hardly any queries.
func (v *view) repliesAlone() bool {
	return v.module.Version != "2.0" && v.number("queries") < v.number("replies")/10
}

// total returns a number that is a volume of traffic.
func (v *view) total(figure string) float64 {
	if figure == "queries" {
		return v.queries()
	}
	return v.number(figure)
}

// failed returns the number of queries that got an error or no reply.
func (v *view) failed() float64 {
	return v.number("nxdomain") + v.number("srvfail") + v.number("refused") + v.number("timed_out")
}

// subject returns a subject, with the direction if the view has one.
func (v *view) subject(name string) string {
	if v.scope == "" {
		return name
	}
	return name + " (" + v.scope + ")"
}

// shares returns the shares of IP versions and transports.
func (v *view) shares() (out []Part) {
	for _, pair := range [][2]string{{"ipv4", "ipv6"}, {"udp", "tcp"}} {
		a, b := v.number(pair[0]), v.number(pair[1])
		if a+b > 0 {
			out = append(out, Part{Name: protocols[pair[0]], Count: uint64(a), Share: share(a, a+b)}, Part{Name: protocols[pair[1]], Count: uint64(b), Share: share(b, a+b)})
		}
	}
	return out
}

var protocols = map[string]string{"ipv4": "IPv4", "ipv6": "IPv6", "udp": "UDP", "tcp": "TCP"}

package rssac002

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"visor/decode/dnsmsg"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/metric"
	"visor/sketch"
)

// Config configures [Write].
type Config struct {
	Service string    // the name of the service, such as "b.root-servers.net"; required
	Handler string    // the name of the dns handler; "" means the first one of each source
	Start   time.Time // of the day; zero means midnight UTC before the first traffic
}

// The errors of [Write]. Others come from the writer.
var (
	ErrNoService = errors.New("rssac002: Config.Service is required")
	ErrNoTraffic = errors.New(`rssac002: the snapshot has no traffic of a dns handler with the metric group "traffic"`)
	// hosts with different hash keys counted the sources, so that their sum is unknown
	ErrSources = errors.New("rssac002: sources were counted under different hash keys, and cannot be merged")
	ErrSampled = errors.New("rssac002: sources were counted in a sample of the messages: the policy's deep_sample_rate must be 100")
)

// Write writes the measurements in s as YAML documents, in the order of RSSAC002.
func Write(w io.Writer, s *handler.Snapshot, cfg Config) error {
	if cfg.Service == "" {
		return ErrNoService
	}
	m, err := find(s, cfg.Handler)
	if err != nil {
		return err
	}
	traffic, sampled := received(&m)
	switch {
	case m.Start.IsZero():
		return ErrNoTraffic
	case slices.Contains(m.LeftOut, "dns_cardinality_sources_ipv4"):
		return ErrSources
	case sampled:
		return ErrSampled
	}
	if cfg.Start.IsZero() {
		cfg.Start = m.Start.UTC().Truncate(24 * time.Hour)
	}
	out := bufio.NewWriter(w)
	d := document{out: out, service: cfg.Service, start: cfg.Start.UTC().Format(time.RFC3339)}
	d.volume(traffic)
	d.sizes(traffic)
	d.codes(traffic)
	d.sources(traffic)
	return out.Flush()
}

// find returns the dns module with a name that counts traffic, or the sum of the first ones of all
// sources: interfaces, or hosts.
func find(s *handler.Snapshot, name string) (handler.Module, error) {
	var found []*handler.Module
	for i := range s.Modules {
		m := &s.Modules[i]
		group := slices.Index(m.GroupNames, "traffic")
		if m.Type != "dns" || name != "" && m.Name != name || group < 0 || !m.Groups.Has(1<<group) {
			continue
		}
		if !slices.ContainsFunc(found, func(other *handler.Module) bool { return other.Tap == m.Tap }) {
			found = append(found, m)
		}
	}
	switch len(found) {
	case 0:
		return handler.Module{}, ErrNoTraffic
	case 1:
		return *found[0], nil
	}
	return handler.Join(found[0].Name, found...)
}

// received returns the traffic of the service, and whether its sources are of a sample.
// Without local networks, version 2.0 has all traffic in direction "unknown".
func received(m *handler.Module) (traffic *dns.TrafficCounts, sampled bool) {
	s := &handler.Snapshot{Modules: []handler.Module{*m}}
	if v1 := dns.From(s); v1 != nil {
		return &v1.Traffic, messages(&v1.Traffic) > v1.DeepSamples.Value()
	}
	v2 := dns.FromTransactions(s)
	if v2 == nil {
		return new(dns.TrafficCounts), false
	}
	all := uint64(0)
	for _, d := range v2.Directions.All() {
		all += messages(&d.Traffic)
	}
	traffic = new(dns.TrafficCounts)
	for _, dir := range []string{"in", "unknown"} {
		if d := v2.Directions.Find(dir); d != nil {
			traffic = &d.Traffic
			break
		}
	}
	return traffic, all > v2.DeepSamples.Value()
}

// messages returns the number of messages in t.
func messages(t *dns.TrafficCounts) (n uint64) {
	for _, v := range []*dns.Volume{&t.UDP, &t.TCP} {
		n += v.QueriesIPv4.Value() + v.QueriesIPv6.Value() + v.RepliesIPv4.Value() + v.RepliesIPv6.Value()
	}
	return n
}

// document writes documents of one service and day.
type document struct {
	out            *bufio.Writer
	service, start string
}

// begin begins the document of a metric.
func (d *document) begin(metric string) {
	fmt.Fprintf(d.out, "---\nversion: rssac002v5\nservice: %s\nstart-period: %s\nmetric: %s\n", d.service, d.start, metric)
}

func (d *document) volume(t *dns.TrafficCounts) {
	d.begin("traffic-volume")
	for _, v := range []struct {
		name  string
		count *sketch.Counter
	}{
		{"dns-udp-queries-received-ipv4", &t.UDP.QueriesIPv4}, {"dns-udp-queries-received-ipv6", &t.UDP.QueriesIPv6},
		{"dns-tcp-queries-received-ipv4", &t.TCP.QueriesIPv4}, {"dns-tcp-queries-received-ipv6", &t.TCP.QueriesIPv6},
		{"dns-udp-responses-sent-ipv4", &t.UDP.RepliesIPv4}, {"dns-udp-responses-sent-ipv6", &t.UDP.RepliesIPv6},
		{"dns-tcp-responses-sent-ipv4", &t.TCP.RepliesIPv4}, {"dns-tcp-responses-sent-ipv6", &t.TCP.RepliesIPv6},
	} {
		fmt.Fprintf(d.out, "%s: %d\n", v.name, v.count.Value())
	}
}

// The last bins of sizes have no upper bound. Root servers publish them as "288-" and "4096-".
const (
	lastRequest  = 288
	lastResponse = 4096
)

func (d *document) sizes(t *dns.TrafficCounts) {
	d.begin("traffic-sizes")
	d.bins("udp-request-sizes", &t.UDP.QuerySizes, lastRequest)
	d.bins("udp-response-sizes", &t.UDP.ReplySizes, lastResponse)
	d.bins("tcp-request-sizes", &t.TCP.QuerySizes, lastRequest)
	d.bins("tcp-response-sizes", &t.TCP.ReplySizes, lastResponse)
}

// bins writes the bins of sizes below last, and the sum of the others.
func (d *document) bins(name string, sizes *metric.Sizes, last int) {
	if sizes.Count() == 0 {
		fmt.Fprintf(d.out, "%s: {}\n", name)
		return
	}
	fmt.Fprintf(d.out, "%s:\n", name)
	greater := uint64(0)
	for size, n := range sizes.Bins() {
		if size >= last {
			greater += n
			continue
		}
		fmt.Fprintf(d.out, "  %d-%d: %d\n", size, size+metric.SizeBin-1, n)
	}
	if greater > 0 {
		fmt.Fprintf(d.out, "  %d-: %d\n", last, greater)
	}
}

func (d *document) codes(t *dns.TrafficCounts) {
	d.begin("rcode-volume")
	codes := t.RCodes.Top(1 << 16)
	slices.SortFunc(codes, func(a, b sketch.Entry[dnsmsg.RCode]) int { return a.Key.Compare(b.Key) })
	for _, e := range codes {
		fmt.Fprintf(d.out, "%d: %d\n", e.Key, e.Lower)
	}
}

func (d *document) sources(t *dns.TrafficCounts) {
	d.begin("unique-sources")
	fmt.Fprintf(d.out, "num-sources-ipv4: %d\nnum-sources-ipv6: %d\nnum-sources-ipv6-aggregate: %d\n",
		t.IPv4.Estimate(), t.IPv6.Estimate(), t.IPv6by.Estimate())
}

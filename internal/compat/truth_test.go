package compat_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/gopkt"
	"visor/capture/pcapfile"
	"visor/decode"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/metric"
	"visor/handler/network"
	"visor/handler/pcap"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
	"visor/internal/racetest"
	"visor/internal/sharedtest"
	"visor/sketch"
)

// truth is the part of tshark's result for a capture that is compared.
type truth struct {
	Packets   *uint64           `json:"packets"`
	Exit      int               `json:"tshark_exit"`
	Outermost map[string]uint64 `json:"outermost"`
	Header    struct {
		Records uint64 `json:"records"`
		Format  string `json:"format"`
	} `json:"header"`
	DNS          *dnsTruth `json:"dns"`
	DNSReordered *dnsTruth `json:"dns_reordered"`
}

// records is the number of packets. For unknown link types tshark counts none, and in pcapng it
// counts blocks that are not packets: then the file's bytes are right (README of the corpus).
func (w truth) records() uint64 {
	if w.Header.Records > 0 {
		return w.Header.Records
	}
	return *w.Packets
}

type dnsTruth struct {
	Messages  uint64  `json:"messages"`
	Queries   uint64  `json:"queries"`
	Responses uint64  `json:"responses"`
	QNames    uint64  `json:"distinct_qnames"`
	QTypes    []count `json:"qtypes"`
	RCodes    []count `json:"rcodes"`
}

type count struct {
	Name  string `json:"name"`
	Count uint64 `json:"count"`
}

// TestTruth compares visor with tshark on every capture that tshark read.
func TestTruth(t *testing.T) {
	racetest.SkipLong(t)
	root := sharedtest.Dir(t, "corpus")
	reasons := differences(t, "testdata/truth-differences.tsv")
	files, equal := 0, 0
	for _, name := range captures(t, root) {
		want := readTruth(t, filepath.Join(root, "truth", name+".json"))
		if want.Packets == nil {
			continue // dnstap, or unknown to tshark
		}
		files++
		diffs := compareTruth(want, observe(t, filepath.Join(root, name)))
		if len(diffs) == 0 {
			equal++
		}
		if why := reasons.use(name, len(diffs) > 0); why == "" && len(diffs) > 0 {
			t.Errorf("%s: %s", name, strings.Join(diffs, "; "))
		}
	}
	t.Logf("%d of %d captures fully equal (%.1f %%)", equal, files, 100*float64(equal)/float64(files))
	require.Greater(t, files, 400)
	require.GreaterOrEqual(t, float64(equal), 0.97*float64(files), "at least 97 %% fully equal")
	reasons.requireAllUsed(t)
}

func readTruth(t *testing.T, path string) truth {
	var tr truth
	raw, err := os.ReadFile(path)
	if err != nil {
		return tr
	}
	require.NoError(t, json.Unmarshal(raw, &tr), path)
	return tr
}

// captures returns the paths of all capture files of the corpus that have a truth, relative to
// root.
func captures(t *testing.T, root string) []string {
	var names []string
	base := filepath.Join(root, "truth")
	require.NoError(t, filepath.WalkDir(base, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(base, strings.TrimSuffix(path, ".json"))
		names = append(names, rel)
		return err
	}))
	return names
}

// observation is visor's result for a capture.
type observation struct {
	err      error
	account  handler.Account
	net      *network.Metrics
	dns      *dns.Metrics
	net2     *network.DirectionMetrics
	dns2     *dns.TransactionMetrics
	loss     *pcap.Metrics
	plain    *plainMetrics
	accounts map[string]handler.Account
}

// observe runs a capture through the analyzers and a plain counter of DNS messages.
func observe(t *testing.T, path string) observation {
	var o observation
	src, err := pcapfile.Open(path)
	if err != nil {
		o.err = err
		return o
	}
	handlers := allHandlers(t)
	counter := newPlain(t)
	p, err := handler.NewPipeline(handler.Config{
		Sources:  []capture.Source{src},
		Handlers: append(handlers, counter),
		Fallback: gopkt.Fallback{},
	})
	require.NoError(t, err)
	o.err = p.Run(context.Background())
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	o.account, o.accounts = p.Account(), p.HandlerAccounts()
	o.net, o.dns, o.loss = network.From(snap), dns.From(snap), pcap.From(snap)
	o.net2, o.dns2 = network.FromByDirection(snap), dns.FromTransactions(snap)
	o.plain = handler.Find[plainMetrics](snap)
	return o
}

// allHandlers returns the analyzers of all types and versions, with a single period.
func allHandlers(t *testing.T) (out []handler.Handler) {
	for _, kind := range builtin.Catalog().Handlers {
		h, err := builtin.Catalog().Build(policy.Module{
			Name: kind.Type + " " + kind.Version, Type: kind.Type, Version: kind.Version, Config: policy.Options{"num_periods": uint64(1)},
		}, policy.Env{})
		require.NoError(t, err)
		out = append(out, h)
	}
	return out
}

// compareTruth returns the differences.
func compareTruth(want truth, got observation) []string {
	var diffs []string
	differ := func(what string, want, got uint64) {
		if want != got {
			diffs = append(diffs, fmt.Sprintf("%s: tshark %d, visor %d", what, want, got))
		}
	}
	if got.net == nil {
		return []string{fmt.Sprint("unreadable: ", got.err)}
	}
	differ("packets", want.records(), got.net.Events.Value())
	differ("ipv4", want.Outermost["ip"], got.net.IPv4.Value())
	differ("ipv6", want.Outermost["ipv6"], got.net.IPv6.Value())
	differ("udp", want.Outermost["udp"], got.net.UDP.Value())
	differ("tcp", want.Outermost["tcp"], got.net.TCP.Value())
	best := diffDNS(want.DNS, got.plain)
	if want.DNSReordered != nil {
		// Neither count of tshark is the whole truth then, see the README of the corpus.
		if other := diffDNS(want.DNSReordered, got.plain); len(other) < len(best) {
			best = other
		}
	}
	return append(diffs, best...)
}

func diffDNS(want *dnsTruth, got *plainMetrics) []string {
	if want == nil {
		want = &dnsTruth{}
	}
	var diffs []string
	differ := func(what string, want, got any) {
		if fmt.Sprint(want) != fmt.Sprint(got) {
			diffs = append(diffs, fmt.Sprintf("dns %s: tshark %v, visor %v", what, want, got))
		}
	}
	differ("queries", want.Queries, got.Queries.Value())
	differ("responses", want.Responses, got.Responses.Value())
	differ("rcodes", tops(want.RCodes), items(&got.RCodes))
	differ("qtypes", tops(want.QTypes), items(&got.QTypes))
	differ("distinct qnames", want.QNames, got.QNames.Estimate())
	return diffs
}

// tops and items convert lists to a comparable form: ten entries by count, ties by number.
func tops(list []count) map[string]uint64 {
	m := make(map[string]uint64)
	for _, c := range list {
		m[c.Name] = c.Count
	}
	return m
}

func items(top *metric.TopNumbers[metric.Port]) map[string]uint64 {
	m := make(map[string]uint64)
	for _, e := range top.Top(10) {
		m[strconv.Itoa(int(e.Key))] = e.Upper
	}
	return m
}

// plainMetrics counts DNS messages like tshark: without mDNS and LLMNR.
type plainMetrics struct {
	Queries   sketch.Counter                 `metric:"queries" help:"queries"`
	Responses sketch.Counter                 `metric:"responses" help:"responses"`
	QNames    sketch.Cardinality             `metric:"qnames" help:"distinct names"`
	QTypes    metric.TopNumbers[metric.Port] `metric:"qtypes" label:"qtype" help:"types by number"`
	RCodes    metric.TopNumbers[metric.Port] `metric:"rcodes" label:"rcode" help:"codes by number"`
}

type plain struct{ handler.Declared[plainMetrics] }

type plainShard struct{ handler.Base[plainMetrics] }

func newPlain(t *testing.T) handler.Handler {
	d, err := handler.Declare[plainMetrics](handler.Spec{Type: "plain"}, handler.Settings{Periods: 1})
	require.NoError(t, err)
	return &plain{d}
}

func (p *plain) NewShard() handler.Shard { return &plainShard{p.NewBase()} }

func (s *plainShard) Process(b *handler.Batch) {
	for i := range b.DNS {
		m := &b.DNS[i]
		s.Events.Offered++
		s.Events.Deep++
		if m.Broken || isLocal(m.Packet) {
			continue
		}
		if m.Named {
			s.questions(m)
		}
		if !m.Msg.Response() {
			s.Live.Queries.Add(1)
			continue
		}
		s.Live.Responses.Add(1)
		s.Live.RCodes.Add(metric.Port(m.Msg.RCode()), 1)
	}
}

// questions counts the types and names of all questions, though a handler reads only the first (RFC
// 9619).
func (s *plainShard) questions(m *handler.Message) {
	s.Live.QTypes.Add(metric.Port(m.Type), 1)
	s.Live.QNames.Add(m.Hash)
	_, q, _ := m.Msg.AppendQuestion(nil)
	at := q.End
	for range m.Msg.QDCount() - 1 {
		name, end, err := m.Msg.AppendWireName(nil, at)
		if err != nil || end+4 > len(m.Msg) {
			return
		}
		qtype := binary.BigEndian.Uint16(m.Msg[end:])
		s.Live.QTypes.Add(metric.Port(qtype), 1)
		s.Live.QNames.Add(s.Hash.Sum(name[:len(name)-1]))
		at = end + 4
	}
}

// isLocal reports whether p is mDNS or LLMNR.
func isLocal(p *decode.Packet) bool {
	is := func(port uint16) bool { return p.Src.Port() == port || p.Dst.Port() == port }
	return is(5355) || is(5353) && p.Layers.Has(decode.LayerUDP)
}

// TestConservation: every packet is accounted for, on any file of the corpus.
func TestConservation(t *testing.T) {
	racetest.SkipLong(t)
	root := sharedtest.Dir(t, "corpus")
	files := 0
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) == ".json" || filepath.Ext(path) == ".mmdb" {
			return err
		}
		o := observe(t, path)
		if o.net == nil {
			return nil // not a capture; pcapfile has its own tests for these
		}
		files++
		requireBalance(t, path, o.account)
		require.Equal(t, o.net.Events.Value(), o.account.Offered-o.account.Dropped, "%s: every frame is an event", path)
		for _, name := range slices.Sorted(maps.Keys(o.accounts)) {
			requireBalance(t, path+" "+name, o.accounts[name])
		}
		requireAgreement(t, path, o)
		return nil
	}))
	require.Greater(t, files, 700)
	t.Logf("%d captures", files)
}

func requireBalance(t *testing.T, what string, a handler.Account) {
	t.Helper()
	require.Equal(t, a.Offered, a.Analysed+a.Filtered+a.NotSampled+a.Undecodable+a.Dropped, "%s: %+v", what, a)
}

// requireAgreement compares both versions of a handler.
func requireAgreement(t *testing.T, path string, o observation) {
	t.Helper()
	var first, second []uint64
	for _, c := range []*sketch.Counter{&o.net.Total, &o.net.UDP, &o.net.TCP, &o.net.OtherL4, &o.net.IPv4, &o.net.IPv6, &o.net.SYN} {
		first = append(first, c.Value())
	}
	second = make([]uint64, len(first))
	for _, d := range o.net2.Directions.All() {
		for i, c := range []*sketch.Counter{&d.Total, &d.UDP, &d.TCP, &d.OtherL4, &d.IPv4, &d.IPv6, &d.SYN} {
			second[i] += c.Value()
		}
	}
	require.Equal(t, first, second, "%s: net", path)
	require.Equal(t, o.net.Events.Value(), o.net2.Events.Value(), path)
	require.Equal(t, o.dns.Events.Value(), o.dns2.Events.Value(), path)
	trans, late, orphans := uint64(0), uint64(0), uint64(0)
	for _, d := range o.dns2.Directions.All() {
		trans += d.Trans.Value()
		late += d.TimedOut.Value()
		orphans += d.Orphans.Value()
	}
	require.Equal(t, []uint64{o.dns.Trans.Value(), o.dns.TimedOut.Value()}, []uint64{trans, late}, "%s: dns", path)
	// A reply belongs to a transaction, is an orphan, or came too late.
	require.GreaterOrEqual(t, o.dns.Replies.Value(), trans+orphans, path)
	require.LessOrEqual(t, o.dns.Replies.Value(), trans+orphans+late, path)
}

package httpapi_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/export/history"
	"visor/export/httpapi"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/handlertest"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
	"visor/internal/packettest"
	"visor/internal/wait"
)

// minute returns a closed period with some DNS messages.
func minute(t *testing.T, start time.Time, messages int) *handler.Snapshot {
	h, err := dns.New(dns.Config{Settings: handler.Settings{Name: "p-wired-dns"}})
	require.NoError(t, err)
	return minuteOf(t, h, start, messages)
}

func minuteOf(t *testing.T, h handler.Handler, start time.Time, messages int) *handler.Snapshot {
	var frames []capture.Frame
	for i := range messages {
		f := packettest.UDP(0, "198.51.100.1:4000", "192.0.2.53:53", packettest.Query(uint16(i), "www.example.com", 1))
		f.TimeNS = start.UnixNano() + int64(i)*int64(time.Minute)/int64(messages)
		frames = append(frames, f)
	}
	last := packettest.UDP(0, "198.51.100.1:4000", "192.0.2.53:9", nil)
	last.TimeNS = start.UnixNano() + int64(time.Minute) - 1 // a recording ends with its last packet
	frames = append(frames, last)
	s, err := handlertest.Analyse(t, h, capture.NewMemory(frames)).Bucket(0)
	require.NoError(t, err)
	s.Period = time.Minute
	return s
}

// remembering is an API with a history of the policy p, which runs on a live tap.
type remembering struct {
	*questions
	store *history.Store
	began time.Time // start of the first minute
}

// newRemembering has ten minutes of 1 to 10 messages; the fifth one is a gap.
func newRemembering(t *testing.T) *remembering {
	store, err := history.Open(history.Config{Path: filepath.Join(t.TempDir(), "history.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	r := &remembering{questions: newQuestions(t), store: store, began: time.Now().Add(-30 * time.Minute).Truncate(time.Minute)}
	for i := range 10 {
		if i != 4 {
			store.Add("p", minute(t, r.began.Add(time.Duration(i)*time.Minute), i+1), handler.Origin{Policy: "p"})
		}
	}
	wait.Until(t, func() bool { return store.Stats().Written == 9 })
	api, err := httpapi.New(httpapi.Config{Policies: r.manager, Admin: true, History: store, Hosts: []string{"example.com"}})
	require.NoError(t, err)
	r.api, r.agent.api = api, api
	r.describe("")
	return r
}

// at returns the time some minutes after the first one, as in a query.
func (r *remembering) at(minutes int) string {
	return r.began.Add(time.Duration(minutes) * time.Minute).UTC().Format(time.RFC3339)
}

func (r *remembering) get(path string, out any) {
	w := r.do("GET", "/api/v1/policies/p/"+path, "", "")
	require.Equal(r.t, 200, w.Code, w.Body)
	require.NoError(r.t, json.Unmarshal(w.Body.Bytes(), out))
}

type interval struct {
	From, To string
	Records  int
	Gaps     []struct{ From, To string }
	Metrics  map[string]map[string]struct {
		DNS struct {
			Packets struct{ Total, Queries *uint64 } `json:"wire_packets"`
			QName2  []any                            `json:"top_qname2"`
		}
	}
	Steps []interval
}

func (i *interval) total() any {
	if i.Metrics == nil {
		return nil
	}
	return *i.Metrics["p"]["p-wired-dns"].DNS.Packets.Total
}

// A range is one answer or one for each step. A gap is null, and is listed.
func TestHistory(t *testing.T) {
	r := newRemembering(t)
	var whole interval
	r.get(fmt.Sprintf("history?from=%s&to=%s", r.at(0), r.at(10)), &whole)
	require.EqualValues(t, 50, whole.total())
	require.Equal(t, 9, whole.Records)
	require.Equal(t, r.at(4), whole.Gaps[0].From)
	require.Equal(t, r.at(5), whole.Gaps[0].To)
	require.NotEmpty(t, whole.Metrics["p"]["p-wired-dns"].DNS.QName2)

	var steps interval
	r.get(fmt.Sprintf("history?from=%d&to=%d&step=1m&metrics=dns.wire_packets.total", r.began.Unix(), r.began.Add(10*time.Minute).Unix()), &steps)
	require.Len(t, steps.Steps, 10)
	for i := range steps.Steps {
		s := &steps.Steps[i]
		require.Equal(t, r.at(i), s.From)
		if i == 4 {
			require.Nil(t, s.total())
			continue
		}
		require.EqualValues(t, i+1, s.total())
		require.Nil(t, s.Metrics["p"]["p-wired-dns"].DNS.Packets.Queries, "only the chosen metric")
		require.Nil(t, s.Metrics["p"]["p-wired-dns"].DNS.QName2)
	}
}

// A range that reaches now includes the running period, and one without records has gaps alone.
func TestHistoryLive(t *testing.T) {
	r := newRemembering(t)
	r.tap.Packet(time.Now().UnixNano(), decode.LinkEthernet, packettest.UDP(0, "198.51.100.9:4000", "192.0.2.53:53", packettest.Query(1, "live.example.com", 1)).Data)
	wait.Until(t, func() bool {
		w := r.do("GET", "/api/v1/policies/p/history?from=-10m&metrics=dns.wire_packets", "", "")
		return strings.Contains(w.Body.String(), `"total":1`)
	})
	var steps interval
	r.get("history?from=-5m&step=60", &steps)
	require.LessOrEqual(t, len(steps.Steps), 6)
	last := steps.Steps[len(steps.Steps)-1]
	require.NotNil(t, last.Metrics)
	for _, s := range steps.Steps[:3] {
		require.Nil(t, s.Metrics)
		require.NotEmpty(t, s.Gaps)
	}
	var gap interval
	r.get(fmt.Sprintf("history?from=%s&to=%s", r.at(12), r.at(20)), &gap)
	require.Nil(t, gap.Metrics)
	require.Len(t, gap.Gaps, 1)
}

// A series has a point for each step: null in a gap.
func TestSeries(t *testing.T) {
	r := newRemembering(t)
	var answer struct {
		Step   float64
		Series []struct {
			Metric, Module string
			Points         [][]any
		}
		Gaps []any
	}
	r.get(fmt.Sprintf("metrics/series?metric=dns.wire_packets.total,dns.rates.total.max&from=%s&to=%s", r.at(0), r.at(10)), &answer)
	require.EqualValues(t, 60, answer.Step)
	require.Len(t, answer.Series, 2)
	require.Equal(t, "p-wired-dns", answer.Series[0].Module)
	for i, point := range answer.Series[0].Points {
		want, length := any(float64(i+1)), 59.0 // whole seconds to the last packet of a recording
		if i == 4 {
			want, length = nil, 60
		}
		require.Equal(t, []any{float64(r.began.Unix() + int64(i)*60), want, length}, point)
	}
	require.EqualValues(t, 1, answer.Series[1].Points[0][1])
	require.Len(t, answer.Gaps, 1)
}

// A snapshot of a range merges like others.
func TestHistorySnapshot(t *testing.T) {
	r := newRemembering(t)
	w := r.do("GET", fmt.Sprintf("/api/v1/policies/p/snapshot?from=%s&to=%s", r.at(0), r.at(10)), "", "")
	require.Equal(t, 200, w.Code, w.Body)
	dec, err := zstd.NewReader(nil)
	require.NoError(t, err)
	defer dec.Close()
	data, err := dec.DecodeAll(w.Body.Bytes(), nil)
	require.NoError(t, err)
	s, err := handler.ReadSnapshot(data)
	require.NoError(t, err)
	require.EqualValues(t, 50, dns.From(s).Queries.Value())
}

// TestHistoryOfDirections selects metrics of version 2.0, whose paths begin with a direction.
func TestHistoryOfDirections(t *testing.T) {
	r := newRemembering(t)
	h, err := dns.NewTransactions(dns.Config{Settings: handler.Settings{Name: "q-wired-dns"}})
	require.NoError(t, err)
	r.store.Add("q", minuteOf(t, h, r.began, 5), handler.Origin{Policy: "q"})
	wait.Until(t, func() bool { return r.store.Stats().Written == 10 })
	for path, want := range map[string]struct {
		status int
		text   string
	}{
		"dns.in.traffic.udp_queries_ipv4": {200, `"dns":{"in":{"traffic":{"udp_queries_ipv4":5}},`},
		"dns.in.traffic,dns.period":       {200, `"udp_queries_ipv4":5`},
		"dns.in":                          {200, `"udp_queries_ipv4":5`},
		"dns.out.xacts":                   {200, `"metrics":`}, // none in this minute
		"dns.in.traffick":                 {400, "no such metric; the nearest ones are dns.*.traffic."},
		"dns.in.xacts.x":                  {400, "no such metric"},
		"net.in":                          {400, "no such metric"},
	} {
		for _, step := range []string{"", "&step=1m"} {
			w := r.do("GET", fmt.Sprintf("/api/v1/policies/q/history?from=%s&to=%s&metrics=%s%s", r.at(0), r.at(1), path, step), "", "")
			require.Equal(t, want.status, w.Code, "%s: %s", path, w.Body)
			require.Contains(t, w.Body.String(), want.text, path)
		}
	}
}

func TestWrongHistory(t *testing.T) {
	r := newRemembering(t)
	for path, want := range map[string]struct {
		status int
		text   string
	}{
		"p/history?from=yesterday":                                  {400, "from=yesterday: must be a time as"},
		"p/history?from=now&to=-1h":                                 {400, "must be before to"},
		"p/history?from=-1h&step=1s":                                {400, "has 3600 steps of 1s, and at most 2000 are allowed"},
		"p/history?step=0.5s":                                       {400, "step=0.5s: must be whole seconds"},
		"p/history?step=-1m":                                        {400, "step=-1m"},
		"p/history?from=-40m&metrics=dns.wire_packet.total":         {400, "metrics=dns.wire_packet.total: the policy has no such metric; the nearest ones are dns.wire_packets.total, "},
		"p/history?from=-40m&step=60&metrics=dns.wire_packets,nope": {400, "metrics=nope: the policy has no such metric"},
		"p/history?from=-40m&metrics=dns.rates.total.p5,dns.period": {200, "dns"},
		"p/history?from=-40m&metrics=dns.wire_packets.total.x":      {400, "no such metric"},
		"none/history": {404, "policy 'none' does not exist and has no history"},
		"none/metrics/series?metric=dns.wire_packets.total": {404, "has no history"},
		"p/metrics/series": {400, "the parameter metric is required"},
		"p/metrics/series?metric=dns.nosuch&from=-40m":       {400, "no module has it"},
		"p/metrics/series?metric=net.total&from=-40m":        {400, "the policy has metrics of dns"},
		"p/metrics/series?metric=dns.top_qname2&from=-40m":   {400, "is not a number"},
		"p/metrics/series?metric=dns.rates.total&from=-40m":  {400, "has several values: add .p50"},
		"p/metrics/series?metric=a,b,c,d,e,f,g,h,i,j,k":      {400, "at most 10 metrics"},
		"p/snapshot?from=2001-01-01T00:00:00Z&to=1000000000": {404, "nothing was counted"},
		"p/snapshot?from=-1h&step=1m":                        {400, "a snapshot has no steps"},
	} {
		w := r.do("GET", "/api/v1/policies/"+path, "", "")
		require.Equal(t, want.status, w.Code, "%s: %s", path, w.Body)
		require.Contains(t, w.Body.String(), want.text)
	}
	w := newAgent(t, httpapi.Config{}).do("GET", "/api/v1/policies/p/history", "", "")
	require.Equal(t, 404, w.Code)
	require.Contains(t, w.Body.String(), "keeps no history: start it with --history DIR")
	require.Contains(t, r.do("GET", "/metrics", "", "").Body.String(), "visor_history_written_total{} 9")
}

// The periods of a policy reach history once, with the modules of all its taps together.
func TestClosedPeriods(t *testing.T) { synctest.Test(t, testClosedPeriods) }

func testClosedPeriods(t *testing.T) {
	type period struct {
		policy  string
		modules []string
	}
	got := make(chan period, 100)
	m := policy.NewManager(policy.ManagerConfig{
		Types: builtin.Catalog(), Period: time.Second,
		Open: func(string, policy.Options, policy.Options) (policy.Opened, error) {
			return policy.Opened{Sources: []capture.Source{capture.NewFeed()}}, nil
		},
		Closed: func(policy string, s *handler.Snapshot) {
			p := period{policy: policy}
			for i := range s.Modules {
				p.modules = append(p.modules, s.Modules[i].Name)
			}
			got <- p
		},
	})
	doc, err := builtin.Catalog().Parse([]byte(`
visor:
  taps:
    a: {input_type: pcap, config: {iface: eth0}, tags: {both: true}}
    b: {input_type: pcap, config: {iface: eth1}, tags: {both: true}}
  policies:
    two: {kind: collection, input: {tap_selector: {any: [both: true]}, input_type: pcap}, handlers: {modules: {dns: {type: dns}}}}
    leased: {kind: collection, config: {lease_secs: 100}, input: {tap: a, input_type: pcap}, handlers: {modules: {dns: {type: dns}}}}
    single: {kind: collection, input: {tap: a, input_type: pcap}, handlers: {window_config: {num_periods: 1}, modules: {dns: {type: dns}}}}
`))
	require.NoError(t, err)
	require.NoError(t, m.Load(doc))
	for range 3 {
		p := <-got
		require.Equal(t, "two", p.policy)
		require.ElementsMatch(t, []string{"two-a-dns", "two-b-dns"}, p.modules)
	}
	require.NoError(t, m.Close())
}

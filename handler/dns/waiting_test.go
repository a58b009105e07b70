package dns_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/handlertest"
	"visor/handler/metric"
	"visor/internal/packettest"
)

// analyseBoth runs frames through handlers of both versions, with several workers if there are
// queues.
func analyseBoth(t *testing.T, cfg dns.Config, queues int, frames []capture.Frame) (*dns.Metrics, *dns.Direction, map[string]int) {
	cfg.Periods, cfg.Enable, cfg.Name = 10, []string{"all"}, "v1"
	v1, err := dns.New(cfg)
	require.NoError(t, err)
	cfg.Name = "v2"
	v2, err := dns.NewTransactions(cfg)
	require.NoError(t, err)
	g := handler.AttachConfig{Handlers: []handler.Handler{v1, v2}}
	p, err := handler.NewPipeline(handler.Config{
		Sources: []capture.Source{capture.NewMemory(frames)}, Workers: queues,
	})
	require.NoError(t, err)
	group, err := p.Attach(g)
	require.NoError(t, err)
	require.NoError(t, p.Run(context.Background()))
	snap, err := group.Window(10)
	require.NoError(t, err)
	m, unknown := dns.From(snap), dns.FromTransactions(snap).Directions.Find("unknown")
	require.NotNil(t, unknown)
	return m, unknown, group.Open()
}

// queries returns n queries at a steady rate, each from another client, over 180 s.
func queries(n int) (frames []capture.Frame) {
	for i := range n {
		from := fmt.Sprintf("10.%d.%d.%d:%d", i>>16&255, i>>8&255, i&255, 1024+i%60000)
		at := time.Duration(i) * 180 * time.Second / time.Duration(n)
		frames = append(frames, packettest.UDP(at, from, "192.0.2.53:53", packettest.Query(uint16(i), "www.example.com", typeA)))
	}
	return frames
}

// Unanswered queries time out, except queries of the last 5 s. This holds at any rate and with any
// number of workers.
func TestUnanswered(t *testing.T) {
	for _, perSecond := range []int{1, 10, 200} {
		if testing.Short() && perSecond > 10 {
			break // a flood
		}
		n := perSecond * 180
		frames := queries(n)
		for _, queues := range []int{1, 3} {
			m, v2, open := analyseBoth(t, dns.Config{}, queues, frames)
			want := uint64(perSecond * 175)
			require.Equal(t, []uint64{uint64(n), want}, []uint64{m.Queries.Value(), m.TimedOut.Value()}, "%d/s", perSecond)
			require.Equal(t, want, v2.TimedOut.Value())
			require.Equal(t, map[string]int{"v1": perSecond * 5, "v2": perSecond * 5}, open)
			require.Zero(t, m.Evicted.Value())
		}
	}
}

// Evictions from a full table are counted. The outcomes add up to the number of queries.
func TestEvicted(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out floods")
	}
	frames := queries(36000)
	for i := range 1000 { // some are answered
		q := packettest.Query(uint16(i), "b.example", typeA)
		frames = append(frames, exchange(180*time.Second, time.Millisecond, client, "192.0.2.53:53", q, packettest.Reply(q, 0, 1))...)
	}
	// 200 a second: 1000 are due
	m, v2, open := analyseBoth(t, dns.Config{Transactions: 500}, 1, frames)
	require.Greater(t, m.Evicted.Value(), uint64(10000))
	require.Greater(t, m.Trans.Value(), uint64(900))
	require.Equal(t, uint64(37000), m.Trans.Value()+m.TimedOut.Value()+m.Evicted.Value()+uint64(open["v1"]))
	require.Equal(t, uint64(37000), v2.Trans.Value()+v2.TimedOut.Value()+v2.Evicted.Value()+uint64(open["v2"]))
}

// A client that retries with the same ID waits since its first query. A query for another name with
// a waiting ID is another transaction.
func TestRetries(t *testing.T) {
	ask := func(id uint16, name string) []byte { return packettest.Query(id, name, typeA) }
	from := func(after time.Duration, q []byte) capture.Frame { return packettest.UDP(after, client, upstream, q) }
	to := func(after time.Duration, q []byte) capture.Frame {
		return packettest.UDP(after, upstream, client, packettest.Reply(q, 0, 1))
	}
	again, one, two := ask(1, "again.example"), ask(2, "one.example"), ask(2, "two.example")
	m, v2, open := analyseBoth(t, dns.Config{}, 1, []capture.Frame{
		from(0, again), from(time.Second, again), to(1050*time.Millisecond, again), to(1060*time.Millisecond, again),
		from(10*time.Second, one), from(10001*time.Millisecond, two), from(10002*time.Millisecond, two),
		to(10010*time.Millisecond, two), to(10500*time.Millisecond, one),
		from(20*time.Second, again), from(26*time.Second, again), // the first has timed out by then
	})
	require.Equal(t, []uint64{3, 1, 2}, []uint64{m.Trans.Value(), m.TimedOut.Value(), m.Retried.Value()})
	require.Equal(t, []uint64{3, 1, 2, 1}, []uint64{v2.Trans.Value(), v2.TimedOut.Value(), v2.Retried.Value(), v2.Orphans.Value()})
	require.Equal(t, map[string]int{"v1": 1, "v2": 1}, open)
	require.Equal(t, []float64{9000, 1050000}, []float64{v2.Time.Min(), v2.Time.Max()}, "since the first query")
	require.InEpsilon(t, 500_000, v2.Time.Quantile(0.5), 0.01)
}

// Replies without a question have an RCODE, and match the query with their ID.
func TestRepliesWithoutQuestion(t *testing.T) {
	var frames []capture.Frame
	for id, rcode := range []byte{1, 4} {
		q := packettest.Query(uint16(id), "a.example", typeA)
		reply := packettest.Reply(q, rcode, 0)[:12]
		reply[5] = 0 // no question
		frames = append(frames, exchange(0, time.Millisecond, client, upstream, q, reply)...)
	}
	// mDNS (RFC 6762 section 6)
	answers := packettest.Reply(packettest.Query(0, "host.local", typeA), 0, 1)
	answers = append(answers[:12:12], answers[len(packettest.Query(0, "host.local", typeA)):]...)
	answers[5] = 0
	frames = append(frames, packettest.UDP(0, "192.0.2.7:5353", "224.0.0.251:5353", answers))
	m, v2, _ := analyseBoth(t, dns.Config{}, 1, frames)
	require.Equal(t, uint64(2), m.Trans.Value())
	require.Equal(t, uint64(2), v2.Trans.Value())
	_, p := run(t, dns.Config{}, frames...)
	require.ElementsMatch(t, []string{"FORMERR 1", "NOTIMP 1", "NOERROR 1"}, list(t, p, "dns_top_rcode"))
	_, p = runTransactions(t, dns.Config{}, frames[:4]...)
	require.ElementsMatch(t, []string{"FORMERR 1", "NOTIMP 1"}, list(t, p, "dns_top_rcode_xacts"))
}

// With any number of workers all figures are the same: timeouts by period, and slow transactions.
func TestWorkersAgree(t *testing.T) {
	frames := queries(1800)
	for i := range 3000 {
		name := fmt.Sprintf("n%d.example", i%50)
		q := packettest.Query(uint16(i), name, typeA)
		from := fmt.Sprintf("192.0.2.%d:%d", 1+i%200, 1024+i)
		at := time.Duration(i) * 60 * time.Millisecond
		took := time.Duration(1+i%97) * time.Millisecond * time.Duration(1+i%200/20)
		frames = append(frames, exchange(at, took, from, upstream, q, packettest.Reply(q, 0, 1))...)
	}
	slices.SortStableFunc(frames, func(a, b capture.Frame) int { return cmp.Compare(a.TimeNS, b.TimeNS) })
	var want [][]metric.Value
	for _, workers := range []int{1, 2, 4, 8} {
		var got [][]metric.Value
		for _, version := range []func(dns.Config) (handler.Handler, error){
			func(cfg dns.Config) (handler.Handler, error) { return dns.New(cfg) },
			func(cfg dns.Config) (handler.Handler, error) { return dns.NewTransactions(cfg) },
		} {
			h, err := version(dns.Config{Settings: handler.Settings{Periods: 5, Enable: []string{"all"}}})
			require.NoError(t, err)
			p := handlertest.AnalyseBy(t, h, workers, capture.NewMemory(frames))
			for period := range 4 {
				snap, err := p.Bucket(period)
				require.NoError(t, err)
				got = append(got, handlertest.Exact(snap.Modules[0].Values()))
			}
		}
		if want == nil {
			want = got
			require.Equal(t, uint64(1759), sum(got[:4], "timed_out"), "all but those of the last 5 s")
			require.Positive(t, sum(got[:4], "top_slow"))
			require.Positive(t, sum(got[4:], "top_slow_xacts"))
			continue
		}
		require.Equal(t, want, got, "%d workers", workers)
	}
}

// sum returns the sum of a counter, or of the counts in a list, over periods.
func sum(periods [][]metric.Value, name string) (n uint64) {
	for _, values := range periods {
		for _, v := range values {
			if v.Path[len(v.Path)-1] != name {
				continue
			}
			n += v.Int
			for _, it := range v.Items {
				n += it.Estimate
			}
		}
	}
	return n
}

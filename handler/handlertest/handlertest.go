// Package handlertest is the conformance suite of handlers. It tests the behavior that a
// [handler.Pipeline] and its users rely on.
//
//	func TestConformance(t *testing.T) {
//		handlertest.Run(t, func(s handler.Settings) (handler.Handler, error) {
//			return dns.New(dns.Config{Settings: s})
//		})
//	}
//
// It feeds generated traffic of all kinds, some hundred thousand packets or a quarter of them
// under -short, and the frames passed by the caller. The handler must not filter. It tests, among
// others:
//
//   - metrics have help texts
//   - each event has one outcome, and counts in its own second
//   - events that pass are forwarded once, or none is
//   - nothing refers to a batch after Process
//   - lists show addresses only as [handler.Settings].Anonymize permits
//   - workers, periods and snapshots that travelled add up
//   - packets do not allocate
package handlertest

import (
	"cmp"
	"context"
	"io"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/handler"
	"visor/handler/metric"
	"visor/internal/mangle"
	"visor/internal/trafficgen"
)

// New creates the handler under test with these settings.
type New func(handler.Settings) (handler.Handler, error)

const packets = 20_000

// Run tests the handler. The argument more holds frames of kinds that the generator does not make.
func Run(t *testing.T, make New, more ...capture.Frame) {
	n := packets
	if testing.Short() {
		n /= 4
	}
	frames, _ := trafficgen.Frames(trafficgen.Mixed(n))
	frames = append(frames, more...)
	slices.SortStableFunc(frames, func(a, b capture.Frame) int { return cmp.Compare(a.TimeNS, b.TimeNS) })
	if !t.Run("Info", func(t *testing.T) { testInfo(t, make) }) {
		return // the other tests would fail for the same reason
	}
	t.Run("Conservation", func(t *testing.T) { testConservation(t, make, frames) })
	t.Run("BorrowedMemory", func(t *testing.T) { testBorrowedMemory(t, make, frames) })
	t.Run("Batches", func(t *testing.T) { testBatches(t, make, frames) })
	t.Run("Sequence", func(t *testing.T) { testSequence(t, make, frames) })
	t.Run("Addresses", func(t *testing.T) { testAddresses(t, make, frames) })
	t.Run("Workers", func(t *testing.T) { testWorkers(t, make, frames) })
	t.Run("Periods", func(t *testing.T) { testPeriods(t, make, frames) })
	t.Run("Travel", func(t *testing.T) { testTravel(t, make, frames) })
	t.Run("Allocations", func(t *testing.T) { testAllocations(t, make, frames) })
}

// Analyse runs sources through h and returns the finished pipeline. [trafficgen.LocalNets] are the
// local networks.
func Analyse(tb testing.TB, h handler.Handler, sources ...capture.Source) *handler.Pipeline {
	return AnalyseBy(tb, h, 1, sources...)
}

// AnalyseBy is [Analyse] with several workers for each source.
func AnalyseBy(tb testing.TB, h handler.Handler, workers int, sources ...capture.Source) *handler.Pipeline {
	own, err := decode.ParseNetSet(trafficgen.LocalNets)
	require.NoError(tb, err)
	p, err := handler.NewPipeline(handler.Config{Sources: sources, Workers: workers, Handlers: []handler.Handler{h}, Hosts: own})
	require.NoError(tb, err)
	require.NoError(tb, p.Run(context.Background()))
	return p
}

// pipeline creates the handler under test and runs sources through it.
func pipeline(t *testing.T, make New, s handler.Settings, sources ...capture.Source) *handler.Pipeline {
	h, err := make(s)
	require.NoError(t, err)
	return Analyse(t, h, sources...)
}

// allTime are settings for one bucket with all metrics.
func allTime(s handler.Settings) handler.Settings {
	s.Periods, s.Enable = 1, []string{"everything"}
	return s
}

// answers runs sources to their end, in one bucket, and returns the metrics and the account of the
// events.
func answers(t *testing.T, make New, s handler.Settings, sources ...capture.Source) ([]metric.Value, handler.Account) {
	p := pipeline(t, make, allTime(s), sources...)
	return values(t, p, 0), accountOf(p)
}

// values returns the metrics of a bucket.
func values(t *testing.T, p *handler.Pipeline, bucket int) []metric.Value {
	snap, err := p.Bucket(bucket)
	require.NoError(t, err)
	require.Len(t, snap.Modules, 1)
	return snap.Modules[0].Values()
}

// Exact returns values without the entries of lists of distinct counts. A full list of these
// depends on the order of events.
func Exact(values []metric.Value) []metric.Value {
	out := slices.Clone(values)
	for i := range out {
		if out[i].Distinct {
			out[i].Items, out[i].Total = nil, 0
		}
	}
	return out
}

// accountOf returns the account of the only handler.
func accountOf(p *handler.Pipeline) (sum handler.Account) {
	for _, a := range p.HandlerAccounts() {
		sum.Add(a)
	}
	return sum
}

// testInfo checks that the handler obeys its settings.
func testInfo(t *testing.T, make New) {
	h, err := make(handler.Settings{Name: "my name", Periods: 3, TopN: 7})
	require.NoError(t, err)
	info := h.Info()
	require.Equal(t, "my name", info.Name)
	require.Equal(t, []int{3, 7}, []int{info.Periods, info.TopN})
	require.NotEmpty(t, info.Schema)
	require.NotEmpty(t, info.Version)
	requireHelp(t, info.Metrics)
	_, err = make(handler.Settings{TopPercentile: 101})
	require.Error(t, err)
}

// requireHelp checks that each metric has a help text, which Prometheus, OpenTelemetry and the JSON
// Schema show.
func requireHelp(t *testing.T, metrics []metric.Field) {
	for _, f := range metrics {
		if len(f.Subjects) > 0 {
			requireHelp(t, f.Subjects)
			continue
		}
		require.NotEmpty(t, f.Help, "the metric %s has no tag help", f.Prom)
	}
}

// testConservation checks that every event is analyzed, filtered, not sampled or undecodable.
func testConservation(t *testing.T, make New, frames []capture.Frame) {
	for _, deep := range []int{100, 20} {
		_, a := answers(t, make, handler.Settings{DeepSample: deep}, capture.NewMemory(frames))
		require.NotZero(t, a.Offered, "no event: Process counts each in Events.Offered")
		require.Equal(t, a.Offered, a.Analysed+a.Filtered+a.NotSampled+a.Undecodable+a.Dropped,
			"outcomes of events in Events: they must not be more than Events.Offered")
		if deep == 100 {
			require.Zero(t, a.NotSampled, "events that are in none of Events.Deep, Filtered and Undecodable, while Sampler.Deep accepts all")
		}
	}
}

// testBorrowedMemory overwrites every batch after use: the handler must not keep references to it.
func testBorrowedMemory(t *testing.T, make New, frames []capture.Frame) {
	want, _ := answers(t, make, handler.Settings{}, capture.NewMemory(frames))
	got, _ := answers(t, make, handler.Settings{}, mangle.New(capture.NewMemory(frames)))
	require.Equal(t, want, got)
}

// testWorkers splits the traffic over shards. The merged answer must be the same.
func testWorkers(t *testing.T, make New, frames []capture.Frame) {
	want, wantAccount := answers(t, make, handler.Settings{}, capture.NewMemory(frames))
	for _, queues := range []int{2, 5} {
		h, err := make(allTime(handler.Settings{}))
		require.NoError(t, err)
		p := AnalyseBy(t, h, queues, capture.NewMemory(frames))
		require.Equal(t, Exact(want), Exact(values(t, p, 0)), "%d workers", queues)
		require.Equal(t, wantAccount, accountOf(p))
	}
}

// testPeriods repeats the same traffic in many periods, so that buckets are reused. All answers
// must be equal. The first period is left out, because queries of an earlier period cannot time out
// in it.
func testPeriods(t *testing.T, make New, frames []capture.Frame) {
	const kept = 3
	src := newRepeater(frames, 4*kept)
	p := pipeline(t, make, handler.Settings{Periods: kept, Enable: []string{"everything"}}, src)
	want := values(t, p, 1)
	require.Equal(t, want, values(t, p, 2))
	_, err := p.Bucket(kept)
	require.Error(t, err)

	whole, err := p.Window(kept)
	require.NoError(t, err)
	last := values(t, p, 0)
	for i, v := range whole.Modules[0].Values() {
		if v.Kind == metric.KindCounter && want[i].Int == last[i].Int {
			require.Equal(t, kept*want[i].Int, v.Int, "%v of all periods", v.Path)
		}
	}
}

// testAllocations repeats traffic until all tables and buckets exist. After that, packets must not
// allocate. The runtime may make a few allocations in total.
func testAllocations(t *testing.T, make New, frames []capture.Frame) {
	const warmUp, measured = 8, 8
	src := newRepeater(frames, warmUp+measured)
	var before, after runtime.MemStats
	src.passed = func(pass int) {
		switch pass {
		case warmUp:
			runtime.ReadMemStats(&before)
		case warmUp + measured:
			runtime.ReadMemStats(&after)
		}
	}
	pipeline(t, make, handler.Settings{Periods: 3, Enable: []string{"everything"}}, src)
	require.NotZero(t, after.Mallocs)
	require.Less(t, after.Mallocs-before.Mallocs, uint64(32), "allocations for %d packets", measured*len(frames))
}

// repeater returns the same frames repeatedly, each time one period later.
type repeater struct {
	frames *capture.Memory
	pass   int
	passes int
	passed func(pass int) // called after each pass; may be nil
}

func newRepeater(frames []capture.Frame, passes int) *repeater {
	return &repeater{frames: capture.NewMemory(frames), passes: passes}
}

func (r *repeater) ReadBatch(b *capture.Batch) error {
	err := r.frames.ReadBatch(b)
	if err == io.EOF {
		r.pass++
		if r.passed != nil {
			r.passed(r.pass)
		}
		if r.pass == r.passes {
			return io.EOF
		}
		r.frames.Rewind()
		err = r.frames.ReadBatch(b)
	}
	for i := range b.Frames {
		b.Frames[i].TimeNS += int64(r.pass) * int64(handler.PeriodLength/time.Nanosecond)
	}
	return err
}

func (r *repeater) Close() error { return r.frames.Close() }

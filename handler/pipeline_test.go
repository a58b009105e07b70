package handler_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/pcapfile"
	"visor/decode"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/metric"
	"visor/handler/network"
	"visor/handler/pcap"
	"visor/internal/trafficgen"
)

// handlers returns the three analyzers with these settings.
func handlers(t testing.TB, s handler.Settings) []handler.Handler {
	net, err := network.New(network.Config{Settings: s})
	require.NoError(t, err)
	queries, err := dns.New(dns.Config{Settings: s})
	require.NoError(t, err)
	losses, err := pcap.New(pcap.Config{Settings: s})
	require.NoError(t, err)
	return []handler.Handler{net, queries, losses}
}

// fewNames returns n frames of DNS with few names, which are soon made.
func fewNames(n int) []capture.Frame {
	cfg := trafficgen.VariedDNS(n)
	cfg.Names = 100
	frames, _ := trafficgen.Frames(cfg)
	return frames
}

// run runs sources through the three analyzers.
func run(t testing.TB, s handler.Settings, sources ...capture.Source) *handler.Pipeline {
	return runBy(t, 1, s, sources...)
}

// runBy runs with several workers for each source.
func runBy(t testing.TB, workers int, s handler.Settings, sources ...capture.Source) *handler.Pipeline {
	own, err := decode.ParseNetSet(trafficgen.LocalNets)
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{Sources: sources, Workers: workers, Handlers: handlers(t, s), Hosts: own})
	require.NoError(t, err)
	require.NoError(t, p.Run(context.Background()))
	return p
}

// TestTruth compares the answers with the generated traffic.
func TestTruth(t *testing.T) {
	frames, truth := trafficgen.Frames(trafficgen.Mixed(50_000))
	p := run(t, handler.Settings{Periods: 1}, capture.NewMemory(frames))
	snap, err := p.Bucket(0)
	require.NoError(t, err)

	n := network.From(snap)
	require.Equal(t, truth.Packets, n.Events.Value())
	require.Equal(t, truth.ToLocal, n.In.Value())
	require.Equal(t, truth.FromLocal, n.Out.Value())
	require.Equal(t, truth.TCP, n.TCP.Value())
	require.Equal(t, truth.IPv4, n.IPv4.Value())
	require.Equal(t, truth.IPv6, n.IPv6.Value())
	require.Equal(t, truth.UDP-(truth.Fragments-truth.DNSFragmented), n.UDP.Value(), "a datagram in fragments is one")

	d := dns.From(snap)
	require.Equal(t, truth.DNSQueries, d.Queries.Value())
	require.Equal(t, truth.DNSResponses, d.Replies.Value())
	require.Equal(t, truth.DNSTCP, d.TCP.Value())
	require.Equal(t, truth.NoData+truth.DNSTruncated, d.NoData.Value(), "as the reference, which does not look at TC")
	require.Equal(t, truth.Matched, d.Trans.Value())
	require.Equal(t, truth.RCodes[3], d.NXDomain.Value())
	require.Equal(t, truth.RCodes[2], d.ServFail.Value())
	require.Equal(t, truth.RCodes[5], d.Refused.Value())
	require.InEpsilon(t, truth.DistinctQNames, d.QName.Estimate(), 0.03)
	for _, e := range d.TopQTypes.Top(100) {
		require.Equal(t, truth.QTypes[e.Key]+truth.ResponseQTypes[e.Key], e.Upper, e.Key)
	}
	slowest := max(d.In.Time.Max(), d.Out.Time.Max())
	require.InDelta(t, truth.MaxLatency/1000, slowest, float64(truth.MaxLatency/1000)/256)

	require.Zero(t, pcap.From(snap).KernelDrops.Value())
	account := p.Account()
	require.Equal(t, handler.Account{Offered: truth.Packets, Analysed: truth.Packets}, account)
}

func TestNewPipelineErrors(t *testing.T) {
	src := capture.NewMemory(nil)
	_, err := handler.NewPipeline(handler.Config{Handlers: handlers(t, handler.Settings{})})
	require.ErrorContains(t, err, "at least one source")
	twice := append(handlers(t, handler.Settings{}), handlers(t, handler.Settings{})...)
	_, err = handler.NewPipeline(handler.Config{Sources: []capture.Source{src}, Handlers: twice})
	require.EqualError(t, err, "handler: module name 'net' already exists")
	_, err = handler.NewPipeline(handler.Config{Sources: []capture.Source{src, nil}})
	require.EqualError(t, err, "handler: Config.Sources[1] is nil")
	_, err = handler.NewPipeline(handler.Config{Sources: []capture.Source{src}, Handlers: []handler.Handler{nil}})
	require.EqualError(t, err, "handler: Config.Handlers[0] is nil")

	unchecked, bad := dns.New(dns.Config{Timeout: -1})
	require.Error(t, bad)
	_, err = handler.NewPipeline(handler.Config{Sources: []capture.Source{src}, Handlers: []handler.Handler{unchecked}})
	require.EqualError(t, err, "handler: Config.Handlers[0] is nil", "the nil pointer of a constructor that failed")
	file, bad := pcapfile.Open("testdata/none.pcap")
	require.Error(t, bad)
	_, err = handler.NewPipeline(handler.Config{Sources: []capture.Source{file}})
	require.EqualError(t, err, "handler: Config.Sources[0] is nil")
}

// TestNotRun makes pipelines of several workers that never run, one of them with an error. Nothing
// reads their sources, and no goroutine is left.
func TestNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // fails if a goroutine is left
		cfg := handler.Config{Sources: []capture.Source{stuck{}}, Workers: 3, Handlers: handlers(t, handler.Settings{Periods: 1})}
		_, err := handler.NewPipeline(cfg)
		require.NoError(t, err)
		cfg.Closed = func(*handler.Snapshot) {}
		_, err = handler.NewPipeline(cfg)
		require.ErrorContains(t, err, "Closed needs 2 periods")
	})
}

// stuck is a source that waits without end.
type stuck struct{}

func (stuck) ReadBatch(*capture.Batch) error { select {} }
func (stuck) Close() error                   { return nil }

// TestRunTwice runs a pipeline again, which would count nothing.
func TestRunTwice(t *testing.T) {
	p := run(t, handler.Settings{}, capture.NewMemory(fewNames(1)))
	require.EqualError(t, p.Run(context.Background()), "handler: the pipeline has been run")
}

func TestNothingSeen(t *testing.T) {
	p := run(t, handler.Settings{}, capture.NewMemory(nil))
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	require.Zero(t, network.From(snap).Events.Value())
	require.True(t, snap.Modules[0].Start.IsZero())
	_, err = p.Bucket(1)
	require.EqualError(t, err, "requested metrics period has not yet accumulated, current range is [0, 0]")
}

// at returns a frame at a time after 2026-01-01 00:00.
func at(frame capture.Frame, after time.Duration) capture.Frame {
	frame.TimeNS = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(after).UnixNano()
	return frame
}

// TestPeriods closes a period at the first packet beyond its end, however late.
func TestPeriods(t *testing.T) {
	made := fewNames(1)
	f := made[0]
	frames := []capture.Frame{
		at(f, 0), at(f, 59*time.Second), // a period
		// one with a clock that steps back
		at(f, 60*time.Second), at(f, 30*time.Second), at(f, 119*time.Second),
		at(f, 10*time.Minute), // one after a long silence
	}
	p := run(t, handler.Settings{Periods: 3}, capture.NewMemory(frames))
	for bucket, want := range []struct {
		events uint64
		start  int
		length time.Duration
	}{{1, 600, 0}, {3, 60, 540 * time.Second}, {2, 0, 60 * time.Second}} {
		snap, err := p.Bucket(bucket)
		require.NoError(t, err)
		m := &snap.Modules[0]
		require.Equal(t, want.events, network.From(snap).Events.Value(), "bucket %d", bucket)
		require.Equal(t, at(f, time.Duration(want.start)*time.Second).TimeNS, m.Start.UnixNano())
		require.Equal(t, want.length, m.Length)
	}
	for _, n := range []int{2, 3} { // of the last minutes, not of the last periods
		snap, err := p.Window(n)
		require.NoError(t, err)
		require.EqualValues(t, 1, network.From(snap).Events.Value())
		require.EqualValues(t, 1, snap.Modules[0].Frames)
		require.Equal(t, at(f, 10*time.Minute).TimeNS, snap.Modules[0].Start.UnixNano())
	}
	_, err := p.Bucket(3)
	require.EqualError(t, err, "invalid metrics period, specify [0, 2]")
	for _, n := range []int{-1, 0, 1, 4} {
		_, err = p.Window(n)
		require.EqualError(t, err, "invalid metrics period, specify [2, 3]")
	}
}

// TestOnePeriod never closes it.
func TestOnePeriod(t *testing.T) {
	made := fewNames(1)
	frames := []capture.Frame{at(made[0], 0), at(made[0], time.Hour), at(made[0], 2*time.Hour)}
	p := run(t, handler.Settings{Periods: 1}, capture.NewMemory(frames))
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	require.Equal(t, uint64(3), network.From(snap).Events.Value())
	require.Equal(t, 2*time.Hour, snap.Modules[0].Length)
}

// broken returns frames, then an error.
type broken struct {
	*capture.Memory
	err error
}

func (b broken) ReadBatch(batch *capture.Batch) error {
	err := b.Memory.ReadBatch(batch)
	if err == io.EOF {
		return b.err
	}
	return err
}

// TestSourceError keeps the counts before the error. The error is reported once, regardless of the
// number of workers.
func TestSourceError(t *testing.T) {
	frames := fewNames(1000)
	bad := errors.New("bad record at offset 7")
	for _, workers := range []int{1, 3} {
		sources := []capture.Source{broken{capture.NewMemory(frames), bad}}
		p, err := handler.NewPipeline(handler.Config{Sources: sources, Workers: workers, Handlers: handlers(t, handler.Settings{})})
		require.NoError(t, err)
		err = p.Run(context.Background())
		require.ErrorIs(t, err, bad)
		require.Equal(t, bad.Error(), err.Error())
		require.Equal(t, uint64(1000), p.Account().Analysed)
	}
}

// endless returns one frame per second, by the clock, until it is closed.
type endless struct {
	frame  capture.Frame
	closed chan struct{}
}

func (e endless) ReadBatch(b *capture.Batch) error {
	b.Reset()
	select {
	case <-e.closed:
		return capture.ErrClosed
	case now := <-time.After(time.Second):
		e.frame.TimeNS = now.UnixNano()
		b.Frames = append(b.Frames, e.frame)
		return nil
	}
}

func (e endless) Live() bool { return true }

func (e endless) Close() error {
	select {
	case <-e.closed:
	default:
		close(e.closed)
	}
	return nil
}

// TestLive queries a running pipeline and ends it by its context.
func TestLive(t *testing.T) {
	made := fewNames(1)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p, err := handler.NewPipeline(handler.Config{
			Sources:  []capture.Source{endless{made[0], make(chan struct{})}},
			Handlers: handlers(t, handler.Settings{}),
		})
		require.NoError(t, err)
		done := make(chan error)
		go func() { done <- p.Run(ctx) }()

		time.Sleep(10*time.Second + time.Millisecond)
		synctest.Wait()
		snap, err := p.Bucket(0)
		require.NoError(t, err)
		require.Equal(t, uint64(10), network.From(snap).Events.Value())
		require.Equal(t, 10*time.Second, snap.Modules[0].Length, "from the start until now")
		for _, v := range snap.Modules[0].Values() {
			if v.Kind == metric.KindRate && v.Path[1] == "pps_total" {
				require.True(t, v.Quantiles.HasLive)
				require.Equal(t, uint64(1), v.Quantiles.Live)
			}
		}

		time.Sleep(time.Minute)
		synctest.Wait()
		closed, err := p.Bucket(1)
		require.NoError(t, err)
		require.Equal(t, uint64(59), network.From(closed).Events.Value(), "the frame of the 60th second is of the next period")
		require.Equal(t, time.Minute, closed.Modules[0].Length)
		require.Equal(t, uint64(10), network.From(snap).Events.Value(), "a snapshot does not change")

		cancel()
		require.NoError(t, <-done)
		require.Equal(t, uint64(70), p.Account().Offered)
	})
}

// TestLivePeriods has a silent queue beside an active one, and then a time without traffic. The
// clock closes the periods of both queues at the same time.
func TestLivePeriods(t *testing.T) {
	made := fewNames(1)
	synctest.Test(t, func(t *testing.T) {
		busy := endless{made[0], make(chan struct{})}
		silent := endless{made[0], make(chan struct{})}
		p, err := handler.NewPipeline(handler.Config{
			Sources: []capture.Source{busy, never{silent}}, Handlers: handlers(t, handler.Settings{Periods: 4}),
		})
		require.NoError(t, err)
		began := time.Now()
		done := make(chan error)
		go func() { done <- p.Run(t.Context()) }()
		events := func(bucket int) (n uint64, start time.Time) {
			snap, err := p.Bucket(bucket)
			require.NoError(t, err)
			return network.From(snap).Events.Value(), snap.Modules[0].Start
		}
		time.Sleep(90*time.Second + time.Millisecond)
		n, start := events(0)
		require.Equal(t, uint64(31), n)
		require.Equal(t, began.Add(time.Minute), start.Local())
		n, _ = events(1)
		require.Equal(t, uint64(59), n)

		require.NoError(t, busy.Close()) // no more traffic
		time.Sleep(time.Minute)
		for bucket, want := range []uint64{0, 31, 59} {
			n, start = events(bucket)
			require.Equal(t, want, n)
			require.Equal(t, began.Add(time.Duration(2-bucket)*time.Minute), start.Local())
		}
		time.Sleep(time.Hour)
		for bucket := range 4 {
			n, _ = events(bucket)
			require.Zero(t, n, "what is old has gone")
		}
		require.NoError(t, silent.Close())
		require.NoError(t, <-done)
	})
}

// never is a source without frames.
type never struct{ endless }

func (n never) ReadBatch(*capture.Batch) error {
	<-n.closed
	return capture.ErrClosed
}

// liveMemory is a live source of frames in memory.
type liveMemory struct{ *capture.Memory }

func (liveMemory) Live() bool { return true }

// TestLiveness has live sources and recordings: a pipeline takes either, not both.
func TestLiveness(t *testing.T) {
	live, recorded := liveMemory{capture.NewMemory(nil)}, capture.NewMemory(nil)
	for _, sources := range [][]capture.Source{{live}, {recorded}, {live, live}, {recorded, recorded}} {
		_, err := handler.NewPipeline(handler.Config{Sources: sources, Handlers: handlers(t, handler.Settings{})})
		require.NoError(t, err)
	}
	_, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{live, recorded}, Handlers: handlers(t, handler.Settings{})})
	require.EqualError(t, err, "handler: 1 of 2 sources are live: must be all or none")
}

// TestLiveTimes has frames with wrong timestamps. They count in the period of the clock.
func TestLiveTimes(t *testing.T) {
	made := fewNames(1)
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().UnixNano()
		var frames []capture.Frame
		for _, off := range []time.Duration{0, -24 * time.Hour, 24 * time.Hour, 0} {
			f := made[0]
			f.TimeNS = now + int64(off)
			frames = append(frames, f)
		}
		p, err := handler.NewPipeline(handler.Config{
			Sources: []capture.Source{liveMemory{capture.NewMemory(frames)}}, Handlers: handlers(t, handler.Settings{}),
		})
		require.NoError(t, err)
		require.NoError(t, p.Run(t.Context()))
		snap, err := p.Bucket(0)
		require.NoError(t, err)
		require.Equal(t, uint64(4), network.From(snap).Events.Value())
	})
}

// TestSequence checks that each handler sees the events that passed its predecessor.
func TestSequence(t *testing.T) {
	frames, truth := trafficgen.Frames(trafficgen.Mixed(20_000))
	onlyQueries, err := dns.New(dns.Config{Settings: handler.Settings{Periods: 1}, OnlyQueries: true})
	require.NoError(t, err)
	net, err := network.New(network.Config{Settings: handler.Settings{Periods: 1}})
	require.NoError(t, err)
	for _, sequence := range []bool{false, true} {
		p, err := handler.NewPipeline(handler.Config{
			Sources: []capture.Source{capture.NewMemory(frames)}, Handlers: []handler.Handler{onlyQueries, net}, Sequence: sequence,
		})
		require.NoError(t, err)
		require.NoError(t, p.Run(context.Background()))
		snap, err := p.Bucket(0)
		require.NoError(t, err)
		require.Equal(t, truth.DNSQueries, dns.From(snap).Total.Value())
		want := truth.Packets
		if sequence {
			want = truth.DNSQueries
		}
		require.Equal(t, want, network.From(snap).Events.Value())
	}
}

// lossy loses frames.
type lossy struct{ *capture.Memory }

func (lossy) Drops() uint64 { return 5 }

func TestDrops(t *testing.T) {
	frames := fewNames(100)
	p := run(t, handler.Settings{Periods: 1}, lossy{capture.NewMemory(frames)})
	require.Equal(t, handler.Account{Offered: 105, Analysed: 100, Dropped: 5}, p.Account())
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	require.Equal(t, uint64(5), pcap.From(snap).KernelDrops.Value())
}

// TestAllDropped has a source that loses everything.
func TestAllDropped(t *testing.T) {
	p := run(t, handler.Settings{Periods: 1}, lossy{capture.NewMemory(nil)})
	require.Equal(t, handler.Account{Offered: 5, Dropped: 5}, p.Account())
}

// TestUndecodable counts frames of unknown link types.
func TestUndecodable(t *testing.T) {
	frames := []capture.Frame{{Data: []byte("?"), WireLen: 1, Link: 4711}}
	p := run(t, handler.Settings{Periods: 1}, capture.NewMemory(frames))
	require.Equal(t, handler.Account{Offered: 1, Undecodable: 1}, p.Account())
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	require.Equal(t, uint64(1), network.From(snap).Events.Value(), "it is an event all the same")
}

// TestSilentModule leaves out a module whose groups are all off.
func TestSilentModule(t *testing.T) {
	p := run(t, handler.Settings{Disable: []string{"all"}}, capture.NewMemory(nil))
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	require.True(t, snap.Modules[0].Silent())
	require.False(t, snap.Modules[2].Silent(), "pcap has no groups")
}

// TestWindowIsTime checks that a window includes the periods of the last five minutes, also with
// silence between them.
func TestWindowIsTime(t *testing.T) {
	made := fewNames(1)
	var frames []capture.Frame
	for _, second := range []int{0, 70, 200, 200, 310, 375} {
		frames = append(frames, at(made[0], time.Duration(second)*time.Second))
	}
	p := run(t, handler.Settings{Periods: 10}, capture.NewMemory(frames))
	snap, err := p.Window(5) // the live period begins at 375 s, the window at 135 s
	require.NoError(t, err)
	require.EqualValues(t, 4, snap.Modules[0].Frames)
	require.Equal(t, at(made[0], 200*time.Second).TimeNS, snap.Modules[0].Start.UnixNano())
	snap, err = p.Window(7)
	require.NoError(t, err)
	require.EqualValues(t, 6, snap.Modules[0].Frames)
}

// TestSpan checks the span from the earliest frame to the latest, for any order of frames and any
// number of workers.
func TestSpan(t *testing.T) {
	made := fewNames(1)
	f := made[0]
	mixed := capture.NewMemory([]capture.Frame{at(f, time.Hour), at(f, 5*time.Second), at(f, time.Minute)})
	late := capture.NewMemory([]capture.Frame{at(f, 2*time.Hour)})
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{mixed, late, capture.NewMemory(nil)}})
	require.NoError(t, err)
	first, last := p.Span()
	require.True(t, first.IsZero())
	require.True(t, last.IsZero())
	require.NoError(t, p.Run(t.Context()))
	first, last = p.Span()
	require.Equal(t, at(f, 5*time.Second).TimeNS, first.UnixNano())
	require.Equal(t, at(f, 2*time.Hour).TimeNS, last.UnixNano())
}

// TestFiltered counts the frames that a source's filter rejects, even if it rejects all.
func TestFiltered(t *testing.T) {
	for _, workers := range []int{1, 3} {
		for want, keep := range map[uint64]bool{0: true, 100: false} {
			frames := fewNames(100)
			src := capture.Filter(capture.NewMemory(frames), func(*capture.Frame) (bool, error) { return keep, nil })
			p, err := handler.NewPipeline(handler.Config{Sources: capture.Fanout(src, capture.FanoutConfig{Queues: workers})})
			require.NoError(t, err)
			require.NoError(t, p.Run(t.Context()))
			require.Equal(t, handler.Account{Offered: 100, Analysed: 100 - want, Filtered: want}, p.Account())
		}
	}
}

func TestReasons(t *testing.T) {
	frames := []capture.Frame{
		{TimeNS: 1, Data: make([]byte, 60), WireLen: 60, Link: 9999},
		{TimeNS: 1, Data: make([]byte, 60), WireLen: 60, Link: 9999},
		{TimeNS: 1, Data: []byte{0x45}, WireLen: 60, Link: decode.LinkRaw},
	}
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{capture.NewMemory(frames)}})
	require.NoError(t, err)
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, []capture.Reason{{Text: "unknown link type 9999", Count: 2}, {Text: "packet malformed", Count: 1}}, p.Reasons())
	require.EqualValues(t, 3, p.Account().Undecodable)
}

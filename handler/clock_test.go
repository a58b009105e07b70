package handler

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/sketch"
)

// events counts frames and their rate.
type events struct {
	All  sketch.Counter `metric:"all"`
	Rate sketch.Rate    `metric:"rate"`
}

type counting struct{ Declared[events] }

func (h *counting) NewShard() Shard { return &countingShard{h.NewBase()} }

type countingShard struct{ Base[events] }

func (s *countingShard) Process(b *Batch) {
	for i := range b.Packets {
		second := secondOf(b.Packets[i].TimeNS)
		s.Live.All.Add(1)
		s.Live.Rate.Add(second.Unix(), 1)
	}
}

// stepper is a live pipeline. The test sets its clock and feeds its queues.
type stepper struct {
	*Pipeline
	wall    time.Time
	running time.Duration
	log     bytes.Buffer
}

// liveMemory is a live source of frames in memory.
type liveMemory struct{ *capture.Memory }

func (liveMemory) Live() bool { return true }

func newStepper(t *testing.T, queues, periods int) *stepper {
	d, err := Declare[events](Spec{Type: "x"}, Settings{Periods: periods})
	require.NoError(t, err)
	s := &stepper{wall: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
	sources := make([]capture.Source, queues)
	for i := range sources {
		sources[i] = liveMemory{capture.NewMemory(nil)}
	}
	s.Pipeline, err = NewPipeline(Config{
		Sources: sources, Handlers: []Handler{&counting{d}}, Logger: slog.New(slog.NewTextHandler(&s.log, nil)),
	})
	require.NoError(t, err)
	s.clock.read = func() (int64, time.Duration) { return s.wall.UnixNano(), s.running }
	s.clock.begin(s.clock.read())
	s.advance(s.clock.observe())
	return s
}

// pass advances the time and runs the pipeline's ticker.
func (s *stepper) pass(d time.Duration) {
	for ; d > 0; d -= time.Second {
		s.wall, s.running = s.wall.Add(time.Second), s.running+time.Second
		s.advance(s.clock.observe())
	}
}

// send feeds a worker n frames with an offset in their timestamps.
func (s *stepper) send(worker, n int, off time.Duration) {
	var b capture.Batch
	for range n {
		b.Frames = append(b.Frames, capture.Frame{TimeNS: s.wall.Add(off).UnixNano(), Data: make([]byte, 14), WireLen: 14, Link: decode.LinkEthernet})
	}
	s.workers[worker].process(&b)
}

// requireBucket checks the events, start and length of a bucket, and that its rate covers every
// second.
func (s *stepper) requireBucket(t *testing.T, n int, events uint64, start time.Time, length time.Duration) {
	t.Helper()
	snap, err := s.Bucket(n)
	require.NoError(t, err)
	m := &snap.Modules[0]
	require.Equal(t, events, m.Values()[0].Int)
	require.Equal(t, start.UnixNano(), m.Start.UnixNano())
	require.Equal(t, length, m.Length)
	q := m.Values()[1].Quantiles
	require.Equal(t, uint64(max(1, length/time.Second)), q.N)
	require.LessOrEqual(t, q.Max, float64(events))
}

// TestClockSteps steps the clock of a live pipeline back and forth by an hour, as NTP does to a
// wrong clock. Each step ends the running period and begins the next one. No period is longer than
// a minute.
func TestClockSteps(t *testing.T) {
	for _, step := range []time.Duration{-time.Hour, time.Hour, -40 * time.Second, -time.Minute, 3 * 365 * 24 * time.Hour} {
		t.Run(step.String(), func(t *testing.T) {
			s := newStepper(t, 2, 5)
			began := s.wall
			s.pass(70 * time.Second)
			s.send(0, 10, 0)
			s.send(1, 5, 0)
			s.pass(20 * time.Second)
			s.requireBucket(t, 0, 15, began.Add(time.Minute), 30*time.Second)

			s.wall = s.wall.Add(step)
			s.send(0, 1, 0) // before the step is noticed: counts in the running period
			s.requireBucket(t, 1, 0, began, time.Minute)
			s.pass(time.Second)
			stepped := s.wall
			s.send(1, 7, 0)
			require.Equal(t, uint64(1), s.ClockSteps())
			require.Contains(t, s.log.String(), "level=WARN msg=\"the clock was put: a period begins\" by="+step.String())
			s.requireBucket(t, 1, 16, began.Add(time.Minute), 31*time.Second)
			s.pass(10 * time.Second)
			s.requireBucket(t, 0, 7, stepped, 10*time.Second)

			s.pass(60 * time.Second)
			s.requireBucket(t, 0, 0, stepped.Add(time.Minute), 10*time.Second)
			s.requireBucket(t, 1, 7, stepped, time.Minute)
			s.requireBucket(t, 2, 16, began.Add(time.Minute), 31*time.Second)
			s.requireBucket(t, 3, 0, began, time.Minute)
			snap, err := s.Window(5)
			require.NoError(t, err)
			require.Equal(t, uint64(23), snap.Modules[0].Values()[0].Int)
			require.Equal(t, 161*time.Second, snap.Modules[0].Length)
			require.Equal(t, uint64(161), snap.Modules[0].Values()[1].Quantiles.N)
			require.Equal(t, float64(23), snap.Modules[0].Values()[1].Quantiles.Sum)
		})
	}
}

// TestClockIsAdjusted checks that steps of a second and a slightly fast clock do not begin a
// period.
func TestClockIsAdjusted(t *testing.T) {
	s := newStepper(t, 1, 5)
	s.wall = s.wall.Add(-time.Second)
	s.pass(30 * time.Second)
	require.Zero(t, s.ClockSteps())
	s.requireBucket(t, 0, 0, time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), 29*time.Second)
}

// TestClockSingleBucket checks that a bucket that never closes survives a step, with the right
// length.
func TestClockSingleBucket(t *testing.T) {
	s := newStepper(t, 1, 1)
	began := s.wall
	s.pass(90 * time.Second)
	s.send(0, 3, 0)
	s.wall = s.wall.Add(-time.Hour)
	s.pass(10 * time.Second)
	s.send(0, 3, 0)
	s.requireBucket(t, 0, 6, began, 100*time.Second)
}

// TestWrongTimes simulates senders with wrong clocks, as for dnstap. Their events count in the
// second of arrival. A timestamp wrong by more than an hour is replaced.
func TestWrongTimes(t *testing.T) {
	s := newStepper(t, 1, 5)
	began := s.wall
	s.pass(10 * time.Second)
	for _, off := range []time.Duration{0, -time.Minute, time.Minute, -59 * time.Minute, -56 * 365 * 24 * time.Hour, 200 * 365 * 24 * time.Hour} {
		s.send(0, 10, off)
		s.pass(5 * time.Second)
	}
	s.requireBucket(t, 0, 60, began, 40*time.Second)
	snap, err := s.Bucket(0)
	require.NoError(t, err)
	q := snap.Modules[0].Values()[1].Quantiles
	require.Equal(t, []float64{0, 10, 10, 10, 60}, []float64{q.P50, q.P90, q.P99, q.Max, q.Sum}, "ten in each of six seconds")
	require.Equal(t, []capture.Reason{{Text: "timestamp is wrong by more than an hour: the time of arrival is used", Count: 20}}, s.Reasons())
}

// TestTornRead queries after one worker has begun a period and another has not. A closed period is
// shown once all workers have left it. The oldest one is shown until the first worker drops it.
func TestTornRead(t *testing.T) {
	s := newStepper(t, 2, 3)
	for range 2 {
		s.send(0, 1, 0)
		s.send(1, 1, 0)
		s.pass(time.Minute)
	}
	s.send(0, 5, 0)
	s.send(1, 5, 0)
	s.wall, s.running = s.wall.Add(time.Minute), s.running+time.Minute
	s.send(0, 7, 0) // worker 0 enters the next period
	bucket := func(n int) uint64 {
		snap, err := s.Bucket(n)
		require.NoError(t, err)
		return snap.Modules[0].Values()[0].Int
	}
	require.Equal(t, []uint64{10, 2}, []uint64{bucket(0), bucket(1)})
	_, err := s.Bucket(2)
	require.Error(t, err, "worker 0 has given up its part")
	snap, err := s.Window(3)
	require.NoError(t, err)
	require.Equal(t, uint64(12), snap.Modules[0].Values()[0].Int)
	s.send(1, 9, -time.Second) // late: belongs to the previous period
	require.Equal(t, []uint64{19, 2}, []uint64{bucket(0), bucket(1)})
	s.send(1, 1, 0)
	require.Equal(t, []uint64{8, 19, 2}, []uint64{bucket(0), bucket(1), bucket(2)})
}

// A live pipeline passes each period on once, and the rest when the handlers are detached.
func TestClosedLive(t *testing.T) {
	s := newStepper(t, 2, 5)
	d, err := Declare[events](Spec{Type: "x"}, Settings{Periods: 2})
	require.NoError(t, err)
	var got []uint64
	g, err := s.Attach(AttachConfig{
		Handlers: []Handler{&counting{d}},
		Closed:   func(snap *Snapshot) { got = append(got, snap.Modules[0].Values()[0].Int) },
	})
	require.NoError(t, err)
	for n := range 3 {
		s.send(0, n+1, 0)
		s.send(1, 10, 0)
		s.pass(time.Minute)
		s.deliver()
		s.deliver()
	}
	require.Equal(t, []uint64{11, 12, 13}, got)
	s.send(1, 7, 0)
	g.Detach()
	require.Equal(t, []uint64{11, 12, 13, 7}, got)
	s.pass(2 * time.Minute)
	s.deliver()
	g.Detach()
	require.Len(t, got, 4)
}

// A period that was dropped before it could be passed on leaves a warning.
func TestClosedTooLate(t *testing.T) {
	s := newStepper(t, 1, 5)
	d, err := Declare[events](Spec{Type: "x"}, Settings{Periods: 2})
	require.NoError(t, err)
	var got []uint64
	_, err = s.Attach(AttachConfig{Handlers: []Handler{&counting{d}}, Closed: func(snap *Snapshot) {
		got = append(got, snap.Modules[0].Values()[0].Int)
	}})
	require.NoError(t, err)
	for n := range 5 {
		s.send(0, n+1, 0)
		s.pass(time.Minute)
		if n == 0 {
			s.deliver()
		}
	}
	s.deliver()
	require.Equal(t, []uint64{1, 5}, got)
	require.Contains(t, s.log.String(), "lost=3")
}

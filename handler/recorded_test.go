package handler_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/handler"
	"visor/handler/metric"
	"visor/handler/network"
	"visor/internal/mangle"
	"visor/internal/packettest"
)

// timed returns frames at times after 2026-01-01 00:00.
func timed(times ...time.Duration) (frames []capture.Frame) {
	f := packettest.UDP(0, "198.51.100.9:5000", "192.0.2.1:53", packettest.Query(1, "a.example", 1))
	for _, d := range times {
		frames = append(frames, at(f, d))
	}
	return frames
}

// steady returns n times, a second apart.
func steady(start time.Duration, n int) (times []time.Duration) {
	for i := range n {
		times = append(times, start+time.Duration(i)*time.Second)
	}
	return times
}

// again returns n copies of a time.
func again(d time.Duration, n int) (times []time.Duration) {
	for range n {
		times = append(times, d)
	}
	return times
}

// slowly returns n frames per batch.
type slowly struct {
	*capture.Memory
	frames []capture.Frame
	n      int
}

func (s *slowly) ReadBatch(b *capture.Batch) error {
	b.Reset()
	if len(s.frames) == 0 {
		return io.EOF
	}
	n := min(s.n, len(s.frames))
	b.Frames, s.frames = append(b.Frames, s.frames[:n]...), s.frames[n:]
	return nil
}

const (
	day     = 24 * time.Hour
	century = 74 * 365 * day
)

// TestRecordedTimes has times that other frames do not confirm, and real long silences.
func TestRecordedTimes(t *testing.T) {
	for _, tt := range []struct {
		name  string
		times []time.Duration
		want  []time.Duration // nil if all are believed
		eras  int
	}{
		{"steady", steady(0, 100), nil, 1},
		{"steps of an hour", []time.Duration{0, time.Hour, 2 * time.Hour, time.Hour}, nil, 1},
		{"a stray ahead", append(steady(0, 20), append(steady(century, 1), steady(20, 20)...)...),
			append(steady(0, 20), append(steady(19*time.Second, 1), steady(20, 20)...)...), 1},
		{"a stray behind", append(steady(0, 20), append(steady(-century/2, 1), steady(20, 20)...)...),
			append(steady(0, 20), append(steady(19*time.Second, 1), steady(20, 20)...)...), 1},
		{"the first one is a stray", append(steady(-century/2, 1), steady(0, 20)...), append(steady(0, 1), steady(0, 20)...), 1},
		{"the last one is a stray", append(steady(0, 20), century), append(steady(0, 20), 19*time.Second), 1},
		{"seven that agree and one that does not", append(append(steady(0, 20), steady(day, 7)...), steady(20, 20)...),
			append(append(steady(0, 20), again(19*time.Second, 7)...), steady(20, 20)...), 1},
		{"two of the next day at the end", append(steady(0, 20), steady(day, 2)...), nil, 1},
		{"a day of silence", append(steady(0, 20), steady(day, 9)...), nil, 1},
		{"eight of the day before", append(steady(0, 8), steady(day, 20)...), nil, 1},
		{"another recording behind, older", append(steady(day, 20), steady(0, 20)...), nil, 2},
		{"forth and back", append(steady(0, 20), append(steady(day, 20), steady(0, 20)...)...), nil, 2},
		{"every two hours", []time.Duration{0, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour, 8 * time.Hour},
			[]time.Duration{0, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour, 6 * time.Hour}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.want
			if want == nil {
				want = tt.times
			}
			for _, size := range []int{1, 7, capture.BatchSize} {
				if tt.name == "the first one is a stray" && size == 1 {
					continue // the batch holds no frame to compare with
				}
				frames := timed(tt.times...)
				src := handler.Recorded(mangle.New(&slowly{capture.NewMemory(nil), frames, size}))
				var got []time.Duration
				eras, strays := 0, uint64(0)
				var b capture.Batch
				for src.ReadBatch(&b) == nil {
					for _, f := range b.Frames {
						got = append(got, time.Duration(f.TimeNS-at(f, 0).TimeNS))
						require.Equal(t, frames[0].Data, f.Data, "the bytes are those of the frame, though it waited")
					}
					eras = max(eras, b.Era)
				}
				require.Equal(t, want, got, "%d frames a batch", size)
				require.Equal(t, tt.eras, eras)
				for _, r := range capture.ReasonsOf(src) {
					strays += r.Count
				}
				moved := uint64(0)
				for i := range want {
					if want[i] != tt.times[i] {
						moved++
					}
				}
				require.Equal(t, moved, strays)
			}
		})
	}
}

// TestStray has one packet of the year 2100 in a recording of two minutes. It is counted without
// extending the recording.
func TestStray(t *testing.T) {
	times := append(steady(0, 30), append([]time.Duration{century}, steady(30*time.Second, 90)...)...)
	for _, workers := range []int{1, 4} {
		p := runBy(t, workers, handler.Settings{}, capture.NewMemory(timed(times...)))
		snap, err := p.Window(5)
		require.NoError(t, err)
		require.Equal(t, uint64(121), network.From(snap).Events.Value())
		require.Equal(t, 119*time.Second, snap.Modules[0].Length)
		require.Equal(t, metric.Quantiles{N: 120, P50: 1, P90: 1, P95: 1, P99: 1, Max: 2, Sum: 121}, rates(t, snap, err)["packets_rates_pps_total"])
		first, err := p.Bucket(1)
		require.NoError(t, err)
		require.Equal(t, uint64(61), network.From(first).Events.Value(), "it takes the period in which it comes")
		require.Equal(t, []capture.Reason{{Text: "timestamp is wrong by more than an hour: the time of arrival is used", Count: 1}}, p.Reasons())
		require.Equal(t, uint64(121), p.Account().Analysed)
	}
}

// TestStepBack has a second recording behind the first, with older times. Its periods are the
// newest, and the recordings do not mix.
func TestStepBack(t *testing.T) {
	f := append(timed(steady(day, 90)...), timed(steady(0, 30)...)...)
	for _, workers := range []int{1, 4} {
		p := runBy(t, workers, handler.Settings{}, capture.NewMemory(f))
		for bucket, want := range []struct {
			events uint64
			start  time.Duration
			length time.Duration
		}{{30, 0, 29 * time.Second}, {30, day + time.Minute, 30 * time.Second}, {60, day, time.Minute}} {
			snap, err := p.Bucket(bucket)
			require.NoError(t, err)
			require.Equal(t, want.events, network.From(snap).Events.Value(), "bucket %d", bucket)
			require.Equal(t, at(f[0], want.start).TimeNS, snap.Modules[0].Start.UnixNano())
			require.Equal(t, want.length, snap.Modules[0].Length)
		}
		snap, err := p.Window(5)
		require.NoError(t, err)
		require.Equal(t, 119*time.Second, snap.Modules[0].Length, "of both, and not the day between them")
		require.Equal(t, metric.Quantiles{N: 120, P50: 1, P90: 1, P95: 1, P99: 1, Max: 1, Sum: 120}, rates(t, snap, err)["packets_rates_pps_total"])

		one := run(t, handler.Settings{Periods: 1}, capture.NewMemory(f))
		whole, err := one.Bucket(0)
		require.NoError(t, err)
		require.Equal(t, 119*time.Second, whole.Modules[0].Length)
	}
}

// TestSilentWorkers has one worker with packets of the last period only, and one without packets.
// All have the same periods, so that timeouts at the end of a period apply in each of them.
func TestSilentWorkers(t *testing.T) {
	frames := timed(steady(0, 200)...)
	sources := []capture.Source{capture.NewMemory(frames)}
	h := newShifts(t)
	p, err := handler.NewPipeline(handler.Config{Sources: sources, Workers: 6, Handlers: []handler.Handler{h}})
	require.NoError(t, err)
	require.NoError(t, p.Run(context.Background()))
	require.Len(t, h.shards, 6)
	for _, s := range h.shards {
		require.Equal(t, []int64{at(frames[0], time.Minute).TimeNS, at(frames[0], 2*time.Minute).TimeNS, at(frames[0], 3*time.Minute).TimeNS}, s.starts)
	}
}

// shifts is a handler whose shards record the starts of periods.
type shifts struct {
	handler.Declared[struct{}]
	shards []*shiftsShard
}

type shiftsShard struct {
	handler.Base[struct{}]
	starts []int64
}

func newShifts(t *testing.T) *shifts {
	d, err := handler.Declare[struct{}](handler.Spec{Type: "x"}, handler.Settings{})
	require.NoError(t, err)
	return &shifts{Declared: d}
}

func (h *shifts) NewShard() handler.Shard {
	s := &shiftsShard{Base: h.NewBase()}
	h.shards = append(h.shards, s)
	return s
}

func (s *shiftsShard) Process(*handler.Batch) {}

func (s *shiftsShard) Shift(startNS int64) {
	s.starts = append(s.starts, startNS)
	s.Base.Shift(startNS)
}

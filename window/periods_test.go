package window_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/window"
)

func TestPeriodsEpoch(t *testing.T) {
	for _, tt := range []struct {
		name   string
		length time.Duration
		times  []int64
		want   []int64 // start of each event's period
	}{
		{"one period", 10, []int64{100, 101, 109}, []int64{100, 100, 100}},
		{"the end belongs to the next", 10, []int64{100, 110, 119, 120}, []int64{100, 110, 110, 120}},
		{"begins with the event, not on a multiple", 10, []int64{103, 117, 126, 127}, []int64{103, 117, 117, 127}},
		{"a gap is no period", 10, []int64{100, 1000}, []int64{100, 1000}},
		{"late", 10, []int64{100, 110, 109, 100, 119}, []int64{100, 110, 110, 110, 110}},
		{"before the first event", 10, []int64{100, 99, -5}, []int64{100, 100, 100}},
		{"clock stepped back", 10, []int64{1000, 0, 5, 20, 1009, 1010}, []int64{1000, 1000, 1000, 1000, 1000, 1010}},
		{"the first event at 0", 10, []int64{0, 9, 10}, []int64{0, 0, 10}},
		{"times below 0", 10, []int64{-100, -91, -90, -1, 0}, []int64{-100, -100, -90, -1, -1}},
		{"length 0 is 1 ns", 0, []int64{5, 5, 6, 5}, []int64{5, 5, 6, 6}},
		{"length below 0 is 1 ns", -time.Second, []int64{5, 5, 6}, []int64{5, 5, 6}},
		{"the end of time", 10, []int64{math.MaxInt64 - 3, math.MaxInt64 - 2, math.MaxInt64 - 1},
			[]int64{math.MaxInt64 - 3, math.MaxInt64 - 3, math.MaxInt64 - 3}},
		{"all of time", math.MaxInt64, []int64{math.MinInt64, -2, -1}, []int64{math.MinInt64, math.MinInt64, -1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := window.NewPeriods(tt.length)
			var got []int64
			for _, ts := range tt.times {
				got = append(got, p.Epoch(ts))
			}
			require.Equal(t, tt.want, got)
		})
	}
}

func TestPeriodsBegin(t *testing.T) {
	p := window.NewPeriods(10)
	require.Equal(t, int64(100), p.Epoch(100))
	p.Begin(104) // before the end of the period
	require.Equal(t, int64(104), p.Epoch(113))
	require.Equal(t, int64(114), p.Epoch(114))
	p.Begin(50) // earlier than the current start
	require.Equal(t, int64(50), p.Epoch(59))
	require.Equal(t, int64(60), p.Epoch(60))
}

func TestPeriodsDue(t *testing.T) {
	p := window.NewPeriods(10)
	_, ok := p.Due(math.MaxInt64)
	require.False(t, ok, "none has begun")

	p.Epoch(100)
	for _, tt := range []struct {
		nowNS int64
		want  bool
	}{{math.MinInt64, false}, {100, false}, {109, false}, {110, true}, {111, true}, {math.MaxInt64, true}} {
		end, ok := p.Due(tt.nowNS)
		require.Equal(t, tt.want, ok, "at %d", tt.nowNS)
		require.Equal(t, int64(110), end)
	}
	require.Equal(t, int64(100), p.Epoch(109), "asking changes nothing")
}

package window_test

import (
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/window"
)

// tally is a bucket that records its events and how often it was reset.
type tally struct {
	times  []int64
	resets int
}

func newTally() *tally { return &tally{times: make([]int64, 0, 64)} }

func (b *tally) Reset() {
	b.times = b.times[:0]
	b.resets++
}

func (b *tally) Merge(src *tally) { b.times = append(b.times, src.times...) }

func (b *tally) add(ns int64) { b.times = append(b.times, ns) }

// contents returns the events of every bucket, the live one first.
func contents(r *window.Ring[*tally]) [][]int64 {
	var all [][]int64
	for b := range r.All() {
		all = append(all, slices.Clone(b.times))
	}
	return all
}

func TestRingLive(t *testing.T) {
	for _, tt := range []struct {
		name  string
		n     int
		times []int64
		want  [][]int64
	}{
		{"no event", 3, nil, [][]int64{nil}},
		{"live bucket", 3, []int64{100, 109}, [][]int64{{100, 109}}},
		{"one closed", 3, []int64{100, 109, 110}, [][]int64{{110}, {100, 109}}},
		{"all in use", 3, []int64{100, 110, 120}, [][]int64{{120}, {110}, {100}}},
		{"oldest recycled", 3, []int64{100, 110, 120, 130, 131}, [][]int64{{130, 131}, {120}, {110}}},
		{"a gap is no row of empty periods", 3, []int64{100, 500}, [][]int64{{500}, {100}}},
		{"late", 3, []int64{100, 110, 105, 119, 101}, [][]int64{{110, 105, 119, 101}, {100}}},
		{"backward", 3, []int64{1000, 0, 50, 999}, [][]int64{{1000, 0, 50, 999}}},
		{"goes on after a step back", 3, []int64{1000, 0, 1010}, [][]int64{{1010}, {1000, 0}}},
		{"first event at 0", 3, []int64{0, 9, 10}, [][]int64{{10}, {0, 9}}},
		{"two buckets", 2, []int64{100, 110, 120}, [][]int64{{120}, {110}}},
		{"single bucket", 1, []int64{100, 110, 500, 3}, [][]int64{{100, 110, 500, 3}}},
		{"none is one", 0, []int64{100, 110}, [][]int64{{100, 110}}},
		{"below none is one", -5, []int64{100, 110}, [][]int64{{100, 110}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := window.NewRing(tt.n, 10, newTally)
			for _, ns := range tt.times {
				b := r.Live(ns)
				require.Same(t, r.Current(), b)
				b.add(ns)
			}
			got := contents(r)
			require.Len(t, got, len(tt.want))
			for i := range got {
				require.ElementsMatch(t, tt.want[i], got[i], "bucket %d", i)
			}
			require.Equal(t, len(tt.want), r.Len())
		})
	}
}

// Whatever the timestamps, each event is in exactly one bucket: the live one at its arrival.
func TestRingLosesNothing(t *testing.T) {
	r := window.NewRing(1000, time.Microsecond, newTally)
	var sum tally
	x := uint64(1)
	for range 1000 {
		x = x*6364136223846793005 + 1442695040888963407
		ns := int64(x>>40) % 100_000
		r.Live(ns).add(ns)
	}
	for b := range r.All() {
		sum.Merge(b)
	}
	require.Len(t, sum.times, 1000)
	require.Greater(t, r.Len(), 1)
}

func TestRingTick(t *testing.T) {
	for _, tt := range []struct {
		name  string
		n     int
		nowNS int64
		late  int64 // an event after Tick
		want  [][]int64
	}{
		{"not due", 4, 109, 109, [][]int64{{100, 109}}},
		{"backward", 4, 0, 109, [][]int64{{100, 109}}},
		{"just due", 4, 110, 119, [][]int64{{119}, {100}}},
		{"the period starts where the last ended, not now", 4, 115, 120, [][]int64{{120}, nil, {100}}},
		{"empty periods", 4, 135, 139, [][]int64{{139}, nil, nil, {100}}},
		{"longer than the ring", 4, 1005, 1014, [][]int64{{1014}, nil, nil, nil}},
		{"then a period starts now", 4, 1005, 1015, [][]int64{{1015}, nil, nil, nil}},
		{"the end of time", 4, math.MaxInt64, 0, [][]int64{{0}, nil, nil, nil}},
		{"single bucket", 1, 1005, 2000, [][]int64{{100, 2000}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := window.NewRing(tt.n, 10, newTally)
			r.Live(100).add(100)
			r.Tick(tt.nowNS)
			r.Live(tt.late).add(tt.late)
			got := contents(r)
			require.Len(t, got, len(tt.want))
			for i := range got {
				require.ElementsMatch(t, tt.want[i], got[i], "bucket %d", i)
			}
		})
	}
}

func TestRingTickBeforeFirstEvent(t *testing.T) {
	r := window.NewRing(3, 10, newTally)
	r.Tick(math.MaxInt64)
	require.Equal(t, 1, r.Len())
	r.Live(5).add(5)
	require.Equal(t, [][]int64{{5}}, contents(r), "the first period begins with the first event")
}

func TestRingShift(t *testing.T) {
	r := window.NewRing(3, 10, newTally)
	r.Live(100).add(100)
	r.Shift(104) // before the end of the period
	r.Live(113).add(113)
	require.Equal(t, [][]int64{{113}, {100}}, contents(r))
	r.Live(114).add(114)
	require.Equal(t, [][]int64{{114}, {113}, {100}}, contents(r))
}

func TestRingBucket(t *testing.T) {
	r := window.NewRing(3, 10, newTally)
	for ns := int64(100); ns < 150; ns += 10 {
		r.Live(ns).add(ns)
	}
	for i, want := range []int64{140, 130, 120} {
		b, ok := r.Bucket(i)
		require.True(t, ok)
		require.Equal(t, []int64{want}, b.times)
	}
	for _, i := range []int{-1, 3, math.MaxInt, math.MinInt} {
		b, ok := r.Bucket(i)
		require.False(t, ok, "bucket %d", i)
		require.Nil(t, b)
	}
	for b := range r.All() {
		require.Equal(t, []int64{140}, b.times)
		break // the iterator stops when the loop breaks
	}
}

func TestRingRecycles(t *testing.T) {
	made := 0
	r := window.NewRing(3, 10, func() *tally { made++; return newTally() })
	require.Equal(t, 1, made, "buckets are made as they are needed")
	seen := map[*tally]bool{}
	for ns := int64(0); ns < 1000; ns += 10 {
		seen[r.Live(ns)] = true
	}
	require.Equal(t, 3, made)
	require.Len(t, seen, 3)
	resets := 0
	for b := range seen {
		resets += b.resets
	}
	require.Equal(t, 97, resets, "a bucket is emptied before it is live again, and only then")
}

func TestRingAllocs(t *testing.T) {
	r := window.NewRing(5, 10, newTally)
	ns := int64(0)
	step := func() {
		ns += 7
		r.Live(ns).add(ns)
		if ns%3 == 0 {
			r.Tick(ns + 30)
		}
	}
	for range 100 {
		step()
	}
	require.Zero(t, testing.AllocsPerRun(1000, step))
}

func TestRingPin(t *testing.T) {
	made := 0
	r := window.NewRing(3, 10, func() *tally { made++; return newTally() })
	for _, ns := range []int64{100, 110, 120} {
		r.Live(ns).add(ns)
	}
	var asked []int64
	p := r.Pin(func(b *tally) bool {
		asked = append(asked, b.times[0])
		return b.times[0] == 100
	})
	require.Equal(t, []int64{110, 100}, asked, "the live bucket cannot be pinned")
	again := r.Pin(func(b *tally) bool { return b.times[0] == 100 })
	pinned := slices.Collect(p.All())
	require.Len(t, pinned, 1)

	r.Live(130).add(130) // evicts the pinned bucket
	require.Equal(t, 4, made)
	require.Equal(t, 3, r.Len())
	r.Live(140).add(140) // 110 is not pinned, so it is recycled
	require.Equal(t, 4, made)
	require.Equal(t, [][]int64{{140}, {130}, {120}}, contents(r))
	require.Equal(t, []int64{100}, pinned[0].times, "a pinned bucket stays as it is")
	require.Zero(t, pinned[0].resets)
	p.Release()
	again.Release()

	var none window.Pinned[*tally]
	require.Empty(t, slices.Collect(none.All()))
	none.Release()
}

func TestRingReleaseMakesRecyclable(t *testing.T) {
	made := 0
	r := window.NewRing(2, 10, func() *tally { made++; return newTally() })
	r.Live(100)
	r.Live(110)
	all := func(*tally) bool { return true }
	first, second := r.Pin(all), r.Pin(all)
	first.Release()
	r.Live(120)
	require.Equal(t, 3, made, "still pinned once")
	second.Release()
	r.Live(130)
	require.Equal(t, 3, made)
}

// Readers use pinned buckets while the owner continues; the race detector checks the accesses.
func TestRingPinConcurrent(t *testing.T) {
	r := window.NewRing(4, 10, newTally)
	var wg sync.WaitGroup
	wrong := make(chan *tally, 1000)
	for ns := int64(0); ns < 5000; ns += 5 {
		r.Live(ns).add(ns)
		p := r.Pin(func(*tally) bool { return true })
		wg.Go(func() {
			defer p.Release()
			for b := range p.All() {
				if len(b.times) != 2 || b.times[1] != b.times[0]+5 {
					wrong <- b
					return
				}
			}
		})
	}
	wg.Wait()
	require.Empty(t, wrong)
}

package window_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/window"
)

// tally is a bucket that records its events and how often it was reset.
type tally struct {
	events []int
	resets int
}

func newTally() *tally { return &tally{events: make([]int, 0, 64)} }

func (b *tally) Reset() {
	b.events = b.events[:0]
	b.resets++
}

func (b *tally) Merge(src *tally) { b.events = append(b.events, src.events...) }

// fill puts one event into each of several periods.
func fill(r *window.Ring[*tally], events ...int) {
	for i, ev := range events {
		if i > 0 {
			r.Shift()
		}
		r.Current().events = append(r.Current().events, ev)
	}
}

// contents returns the events of every bucket, the live one first.
func contents(r *window.Ring[*tally]) (all [][]int) {
	for b := range r.All() {
		all = append(all, slices.Clone(b.events))
	}
	return all
}

func TestRing(t *testing.T) {
	for _, tt := range []struct {
		name   string
		n      int
		events []int
		want   [][]int
	}{
		{"no event", 3, nil, [][]int{{}}},
		{"live bucket", 3, []int{1}, [][]int{{1}}},
		{"one closed", 3, []int{1, 2}, [][]int{{2}, {1}}},
		{"all in use", 3, []int{1, 2, 3}, [][]int{{3}, {2}, {1}}},
		{"oldest recycled", 3, []int{1, 2, 3, 4}, [][]int{{4}, {3}, {2}}},
		{"single bucket", 1, []int{1, 2, 3}, [][]int{{1, 2, 3}}},
		{"none is one", 0, []int{1, 2}, [][]int{{1, 2}}},
		{"below none is one", -5, []int{1, 2}, [][]int{{1, 2}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := window.NewRing(tt.n, newTally)
			fill(r, tt.events...)
			got := contents(r)
			require.Len(t, got, len(tt.want))
			for i := range got {
				require.ElementsMatch(t, tt.want[i], got[i], "bucket %d", i)
			}
		})
	}
}

func TestRingRecycles(t *testing.T) {
	made := 0
	r := window.NewRing(3, func() *tally { made++; return newTally() })
	require.Equal(t, 1, made, "buckets are made as they are needed")
	seen := map[*tally]bool{r.Current(): true}
	for range 99 {
		r.Shift()
		seen[r.Current()] = true
	}
	require.Equal(t, 3, made)
	require.Len(t, seen, 3)
	resets := 0
	for b := range seen {
		resets += b.resets
	}
	require.Equal(t, 97, resets, "a bucket is emptied before it is live again, and only then")
	for range r.All() {
		break // the iterator stops when the loop breaks
	}
}

func TestRingAllocs(t *testing.T) {
	r := window.NewRing(5, newTally)
	for range 10 {
		r.Shift()
	}
	require.Zero(t, testing.AllocsPerRun(1000, r.Shift))
}

func TestRingPin(t *testing.T) {
	made := 0
	r := window.NewRing(3, func() *tally { made++; return newTally() })
	fill(r, 1, 2, 3)
	var asked []int
	p := r.Pin(func(b *tally) bool {
		asked = append(asked, b.events[0])
		return b.events[0] == 1
	})
	require.Equal(t, []int{2, 1}, asked, "the live bucket cannot be pinned")
	again := r.Pin(func(b *tally) bool { return b.events[0] == 1 })
	pinned := slices.Collect(p.All())
	require.Len(t, pinned, 1)

	r.Shift() // evicts the pinned bucket
	fill(r, 4)
	require.Equal(t, 4, made)
	r.Shift() // 2 is not pinned, so it is recycled
	fill(r, 5)
	require.Equal(t, 4, made)
	require.Equal(t, [][]int{{5}, {4}, {3}}, contents(r))
	require.Equal(t, []int{1}, pinned[0].events, "a pinned bucket stays as it is")
	require.Zero(t, pinned[0].resets)
	p.Release()
	again.Release()

	var none window.Pinned[*tally]
	require.Empty(t, slices.Collect(none.All()))
	for range p.All() {
		break
	}
	none.Release()
}

func TestRingReleaseMakesRecyclable(t *testing.T) {
	made := 0
	r := window.NewRing(2, func() *tally { made++; return newTally() })
	r.Shift()
	all := func(*tally) bool { return true }
	first, second := r.Pin(all), r.Pin(all)
	first.Release()
	r.Shift()
	require.Equal(t, 3, made, "still pinned once")
	second.Release()
	r.Shift()
	require.Equal(t, 3, made)
}

// Readers use pinned buckets while the owner continues; the race detector checks the accesses.
func TestRingPinConcurrent(t *testing.T) {
	r := window.NewRing(4, newTally)
	var wg sync.WaitGroup
	wrong := make(chan *tally, 1000)
	for i := range 1000 {
		r.Current().events = append(r.Current().events, i, i+1)
		p := r.Pin(func(*tally) bool { return true })
		wg.Go(func() {
			defer p.Release()
			for b := range p.All() {
				if len(b.events) != 2 || b.events[1] != b.events[0]+1 {
					wrong <- b
					return
				}
			}
		})
		r.Shift()
	}
	wg.Wait()
	require.Empty(t, wrong)
}

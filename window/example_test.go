package window_test

import (
	"fmt"
	"time"

	"visor/window"
)

// requests counts the requests of one period.
type requests struct{ count, bytes int }

func (r *requests) Reset() { *r = requests{} }

func (r *requests) Merge(src *requests) {
	r.count += src.count
	r.bytes += src.bytes
}

func newRequests() *requests { return new(requests) }

func Example() {
	ring := window.NewRing(3, newRequests)
	minute := 0
	for _, ev := range []struct {
		at    time.Duration
		bytes int
	}{
		{0, 100}, {59 * time.Second, 50}, {61 * time.Second, 300}, {200 * time.Second, 20},
	} {
		if m := int(ev.at.Minutes()); m != minute {
			ring.Shift()
			minute = m
		}
		b := ring.Current()
		b.count++
		b.bytes += ev.bytes
	}

	var sum requests
	for b := range ring.All() { // the live one first
		fmt.Println(b.count, "requests,", b.bytes, "bytes")
		sum.Merge(b)
	}
	fmt.Println("in all", sum.count, "requests,", sum.bytes, "bytes")
	// Output:
	// 1 requests, 20 bytes
	// 1 requests, 300 bytes
	// 2 requests, 150 bytes
	// in all 4 requests, 470 bytes
}

func ExampleRing_Pin() {
	ring := window.NewRing(2, newRequests)
	ring.Current().count++
	ring.Shift()

	closed := ring.Pin(func(*requests) bool { return true })
	defer closed.Release() // may happen in another goroutine
	ring.Shift()           // would recycle the bucket if it were not pinned
	for b := range closed.All() {
		fmt.Println(b.count)
	}
	// Output:
	// 1
}

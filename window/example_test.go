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

func Example() {
	ring := window.NewRing(3, time.Minute, func() *requests { return new(requests) })
	for _, ev := range []struct {
		at    time.Duration
		bytes int
	}{
		{0, 100}, {59 * time.Second, 50}, // the first minute
		{61 * time.Second, 300}, {58 * time.Second, 7}, // the second, and a late event
		{200 * time.Second, 20}, // begins the third period
	} {
		b := ring.Live(int64(ev.at))
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
	// 2 requests, 307 bytes
	// 2 requests, 150 bytes
	// in all 5 requests, 477 bytes
}

func ExampleRing_Tick() {
	ring := window.NewRing(4, time.Minute, func() *requests { return new(requests) })
	ring.Live(0).count++
	ring.Tick(int64(150 * time.Second)) // without an event since
	for b := range ring.All() {
		fmt.Println(b.count)
	}
	// Output:
	// 0
	// 0
	// 1
}

func ExampleRing_Pin() {
	ring := window.NewRing(2, time.Minute, func() *requests { return new(requests) })
	ring.Live(0).count++
	ring.Live(int64(time.Minute)).count++

	closed := ring.Pin(func(*requests) bool { return true })
	defer closed.Release()                  // may happen in another goroutine
	ring.Live(int64(2*time.Minute)).count++ // would recycle the bucket if it were not pinned
	for b := range closed.All() {
		fmt.Println(b.count)
	}
	// Output:
	// 1
}

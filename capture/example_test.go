package capture_test

import (
	"fmt"
	"sync"
	"sync/atomic"

	"visor/capture"
)

func ExampleMerge() {
	day1 := capture.NewMemory([]capture.Frame{{TimeNS: 1, Data: []byte("a")}, {TimeNS: 4, Data: []byte("d")}})
	day2 := capture.NewMemory([]capture.Frame{{TimeNS: 2, Data: []byte("b")}, {TimeNS: 3, Data: []byte("c")}})
	src := capture.Merge(day1, day2)
	defer src.Close()

	var b capture.Batch
	for src.ReadBatch(&b) == nil {
		for _, f := range b.Frames {
			fmt.Printf("%d %s\n", f.TimeNS, f.Data)
		}
	}
	// Output:
	// 1 a
	// 2 b
	// 3 c
	// 4 d
}

func ExampleFanout() {
	src := capture.NewMemory(make([]capture.Frame, 10_000))
	queues := capture.Fanout(src, capture.FanoutConfig{Queues: 4})

	var frames atomic.Int64
	var wg sync.WaitGroup
	for _, q := range queues {
		wg.Go(func() {
			defer q.Close()
			var b capture.Batch
			for q.ReadBatch(&b) == nil {
				frames.Add(int64(len(b.Frames)))
			}
		})
	}
	wg.Wait()
	fmt.Println(frames.Load())
	// Output: 10000
}

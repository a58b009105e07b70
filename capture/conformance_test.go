package capture_test

import (
	"io"
	"testing"
	"time"

	"visor/capture"
	"visor/capture/sourcetest"
	"visor/decode"
)

// recorded returns a case of sources that yield n frames.
func recorded(n int, open func() capture.Source) sourcetest.Case {
	return sourcetest.Case{Frames: n, Open: func(testing.TB) (capture.Source, func(int)) { return open(), nil }}
}

// TestConformance runs the suite of sources over all of this package.
func TestConformance(t *testing.T) {
	const n = 3*capture.BatchSize + 1
	memory := func() capture.Source { return capture.NewMemory(many(1, n)) }
	t.Run("Memory", func(t *testing.T) { sourcetest.Run(t, recorded(n, memory)) })
	t.Run("Select", func(t *testing.T) {
		sourcetest.Run(t, recorded(n, func() capture.Source {
			return capture.Filter(memory(), func(f *capture.Frame) (bool, error) { return f.TimeNS%3 == 0, nil })
		}))
	})
	t.Run("Merge", func(t *testing.T) {
		sourcetest.Run(t, recorded(2*n, func() capture.Source { return capture.Merge(memory(), memory()) }))
	})
	t.Run("Fanout", func(t *testing.T) {
		sourcetest.Run(t, recorded(n, func() capture.Source { return capture.Fanout(memory(), capture.FanoutConfig{})[0] }))
	})
	t.Run("Feed", func(t *testing.T) {
		sourcetest.Run(t, feedCase(func(feed *capture.Feed) capture.Source { return feed }))
	})
	t.Run("Fanout of Tap", func(t *testing.T) {
		sourcetest.Run(t, feedCase(func(feed *capture.Feed) capture.Source { return capture.Fanout(feed, capture.FanoutConfig{})[0] }))
	})
}

func feedCase(wrap func(*capture.Feed) capture.Source) sourcetest.Case {
	return sourcetest.Case{Frames: sourcetest.Endless, Open: func(testing.TB) (capture.Source, func(int)) {
		feed := capture.NewFeed()
		return wrap(feed), func(n int) {
			for i := range n {
				feed.Packet(time.Now().UnixNano(), decode.LinkEthernet, []byte{byte(i), 1, 2, 3})
			}
		}
	}}
}

// TestExampleSource holds the source that programs copy against what Source describes.
func TestExampleSource(t *testing.T) {
	sourcetest.Run(t, sourcetest.Case{Frames: sourcetest.Endless, Lossy: true, Open: func(t testing.TB) (capture.Source, func(int)) {
		r, w := io.Pipe()
		submit := make(chan int, 64)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for n := range submit {
				for range n {
					_, _ = w.Write([]byte("\x00\x03abc")) // fails after Close, when nothing is read
				}
			}
		}()
		t.Cleanup(func() {
			close(submit)
			_ = r.Close()
			<-done
		})
		return &tunnel{stream: r}, func(n int) { submit <- n }
	}})
}

//go:build linux

package capture_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/internal/cputime"
)

// BenchmarkFeedAccepted measures the CPU time of the callers for submissions that are not dropped:
// 4096 by all callers together, then the Feed is read while no time is measured.
func BenchmarkFeedAccepted(b *testing.B) {
	packet := make([]byte, 100)
	m := exchange("www.example.com")
	for _, bench := range []struct {
		name   string
		submit func(*capture.Feed) bool
	}{
		{"Packet", func(feed *capture.Feed) bool { return feed.Packet(1, decode.LinkRaw, packet) }},
		{"Message", func(feed *capture.Feed) bool { return feed.Message(m) }},
	} {
		for _, callers := range []int{1, 2, 4} {
			b.Run(fmt.Sprintf("%s/callers=%d", bench.name, callers), func(b *testing.B) {
				feed := capture.NewFeed()
				defer feed.Close()
				const round = 4096
				var spent, accepted atomic.Int64
				var batch capture.Batch
				submit := func() {
					var all sync.WaitGroup
					before := accepted.Load()
					for range callers {
						all.Go(func() {
							start, n := cputime.Thread(b), int64(0)
							for range round / callers {
								if bench.submit(feed) {
									n++
								}
							}
							spent.Add(cputime.Thread(b) - start)
							accepted.Add(n)
						})
					}
					all.Wait()
					for left := accepted.Load() - before; left > 0; left -= int64(len(batch.Frames)) {
						require.NoError(b, feed.ReadBatch(&batch))
					}
				}
				// the system provides new memory page by page, which takes longer than a call
				for range 4 {
					submit()
				}
				spent.Store(0)
				drops := feed.Drops()
				for b.Loop() {
					submit()
				}
				b.ReportMetric(float64(spent.Load())/float64(b.N*round/callers*callers), "cpu-ns/call")
				b.ReportMetric(100*float64(feed.Drops()-drops)/float64(b.N*round), "drops/100")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

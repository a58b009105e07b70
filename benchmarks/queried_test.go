package benchmarks

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/handler"
)

// again repeats the frames of a Memory several times, each time a minute later.
type again struct {
	*capture.Memory
	passes, pass int
}

func (a *again) ReadBatch(b *capture.Batch) error {
	err := a.Memory.ReadBatch(b)
	if err == io.EOF && a.pass+1 < a.passes {
		a.pass++
		a.Memory.Rewind()
		err = a.Memory.ReadBatch(b)
	}
	for i := range b.Frames {
		b.Frames[i].TimeNS += int64(a.pass) * int64(time.Minute)
	}
	return err
}

// BenchmarkQueried measures the cost of ten queries per second to a busy worker. With two
// processors it shows the cost of the lock and the shared caches, not of merging.
func BenchmarkQueried(b *testing.B) {
	const passes = 50
	// few, because the garbage collector scans each; it does not scan frames in a ring
	frames, _ := varied()
	for _, bench := range []struct {
		name string
		ask  bool
	}{{"never", false}, {"ten-times-a-second", true}} {
		b.Run(bench.name, func(b *testing.B) {
			perPacket(b, passes*len(frames), func() {
				src := &again{Memory: capture.NewMemory(frames), passes: passes}
				p, err := handler.NewPipeline(handler.Config{
					Sources: []capture.Source{src}, Handlers: analyzers(b, "net", "dns", "pcap"), Hosts: ownNets(b),
				})
				require.NoError(b, err)
				ctx, stop := context.WithCancel(b.Context())
				if bench.ask {
					go ask(ctx, p)
				}
				require.NoError(b, p.Run(b.Context()))
				stop()
			})
		})
	}
}

// ask queries the live bucket and a window of five minutes in turn.
func ask(ctx context.Context, p *handler.Pipeline) {
	tick := time.Tick(100 * time.Millisecond)
	questions := [2]func() (*handler.Snapshot, error){
		func() (*handler.Snapshot, error) { return p.Bucket(0) },
		func() (*handler.Snapshot, error) { return p.Window(5) },
	}
	for n := 0; ctx.Err() == nil; n++ {
		if s, err := questions[n%2](); err == nil {
			for i := range s.Modules {
				s.Modules[i].Values()
			}
		}
		<-tick
	}
}

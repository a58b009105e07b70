package resources_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/handler"
	"visor/handler/resources"
	"visor/internal/packettest"
)

// packets are n packets, a second apart.
func packets(n int) (out []capture.Frame) {
	for i := range n {
		out = append(out, packettest.UDP(time.Duration(i)*time.Second, "192.0.2.1:1", "192.0.2.2:2", nil))
	}
	return out
}

func pipeline(t testing.TB, h handler.Handler, sources ...capture.Source) *handler.Pipeline {
	p, err := handler.NewPipeline(handler.Config{Sources: sources, Handlers: []handler.Handler{h}})
	require.NoError(t, err)
	return p
}

func bucket(t testing.TB, p *handler.Pipeline, n int) (*resources.Metrics, *handler.Snapshot) {
	snap, err := p.Bucket(n)
	require.NoError(t, err)
	return resources.From(snap), snap
}

// newOne returns a source with one frame per batch, so that each frame can be sampled at once.
func newOne(frames []capture.Frame) capture.Source {
	var sources []capture.Source
	for i := range frames {
		sources = append(sources, capture.NewMemory(frames[i:i+1]))
	}
	return &chain{sources: sources}
}

// chain returns the batches of several sources in order.
type chain struct{ sources []capture.Source }

func (c *chain) ReadBatch(b *capture.Batch) error {
	err := c.sources[0].ReadBatch(b)
	for err != nil && len(c.sources) > 1 {
		c.sources = c.sources[1:]
		err = c.sources[0].ReadBatch(b)
	}
	return err
}

func (c *chain) Close() error { return nil }

func TestSamples(t *testing.T) {
	n := 0
	h, err := resources.New(resources.Config{
		Settings: handler.Settings{Periods: 2},
		Read: func() resources.Usage {
			n++
			return resources.Usage{CPU: time.Duration(n), Memory: uint64(n) << 20}
		},
	})
	require.NoError(t, err)
	h.SetAttached(2, 5)
	h.SetAttached(3, 7)
	p := pipeline(t, h, newOne(packets(66)))
	require.NoError(t, p.Run(t.Context()))
	first, _ := bucket(t, p, 1)
	require.Equal(t, uint64(12+2), first.Total.Value(), "a sample in five seconds, and two changes")
	require.Equal(t, uint64(12), first.Memory.Count())
	require.Equal(t, uint64(12), first.CPU.Count())
	live, snap := bucket(t, p, 0)
	require.Equal(t, uint64(2), live.Total.Value())
	require.Equal(t, []uint64{3, 7}, []uint64{live.Policies.Value(), live.Handlers.Value()})
	names := map[string]uint64{}
	for _, v := range snap.Modules[0].Values() {
		names[v.Prom] = v.Int
	}
	require.Equal(t, map[string]uint64{
		"base_total": 2, "base_deep_samples": 2, "base_event_rate": 0, "resources_cpu_usage": 0, "resources_memory_bytes": 0,
		"resources_policy_count": 3, "resources_handler_count": 7,
	}, names)
	whole, err := p.Window(2)
	require.NoError(t, err)
	require.Equal(t, uint64(3), resources.From(whole).Policies.Value(), "not the sum")
	a := p.HandlerAccounts()["input_resources"]
	require.Equal(t, a.Offered, a.Analysed)
}

// Two workers take samples of the process once.
func TestWorkers(t *testing.T) {
	h, err := resources.New(resources.Config{})
	require.NoError(t, err)
	h.SetAttached(1, 1)
	p := pipeline(t, h, capture.NewMemory(packets(1)), capture.NewMemory(packets(1)))
	require.NoError(t, p.Run(t.Context()))
	m, _ := bucket(t, p, 0)
	require.Equal(t, uint64(2), m.Total.Value())
	require.Equal(t, uint64(1), m.Policies.Value())
}

func TestSystem(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skipped: usage is not read there")
	}
	h, err := resources.New(resources.Config{})
	require.NoError(t, err)
	p := pipeline(t, h, capture.NewMemory(packets(1)))
	for begin := time.Now(); time.Since(begin) < 20*time.Millisecond; { // some CPU time to find
	}
	require.NoError(t, p.Run(t.Context()))
	m, _ := bucket(t, p, 0)
	require.Greater(t, m.Memory.Max(), float64(1<<20))
	require.Greater(t, m.CPU.Max(), 1.0)
	require.Less(t, m.CPU.Max(), 100.0*float64(runtime.NumCPU())+50)
}

func Example() {
	h, err := resources.New(resources.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	h.SetAttached(1, 2)
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{capture.NewMemory(packets(1))}, Handlers: []handler.Handler{h}})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	snap, err := p.Bucket(0)
	if err != nil {
		fmt.Println(err)
		return
	}
	m := resources.From(snap)
	fmt.Println(m.Policies.Value(), "policy,", m.Handlers.Value(), "handlers,", m.Memory.Count(), "sample of memory")
	// Output: 1 policy, 2 handlers, 1 sample of memory
}

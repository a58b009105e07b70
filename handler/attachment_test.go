package handler_test

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/handler"
	"visor/handler/anonymize"
	"visor/handler/flow"
	"visor/handler/network"
	"visor/internal/packettest"
	"visor/internal/trafficgen"
)

// second is a handler to attach.
func second(t testing.TB, cfg network.Config) handler.AttachConfig {
	cfg.Name = "second"
	h, err := network.New(cfg)
	require.NoError(t, err)
	return handler.AttachConfig{Handlers: []handler.Handler{h}}
}

func events(t testing.TB, ask func(int) (*handler.Snapshot, error), bucket int) (uint64, *handler.Snapshot) {
	snap, err := ask(bucket)
	require.NoError(t, err)
	return network.From(snap).Events.Value(), snap
}

// TestAttach attaches handlers to a running pipeline of two queues, with one frame per second each,
// and detaches them.
func TestAttach(t *testing.T) {
	made := fewNames(1)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p, err := handler.NewPipeline(handler.Config{
			Sources:  []capture.Source{endless{made[0], make(chan struct{})}, endless{made[0], make(chan struct{})}},
			Handlers: handlers(t, handler.Settings{}),
		})
		require.NoError(t, err)
		begun := time.Now()
		done := make(chan error)
		go func() { done <- p.Run(ctx) }()
		wait := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
		}

		wait(10*time.Second + time.Millisecond)
		g, err := p.Attach(second(t, network.Config{}))
		require.NoError(t, err)
		n, snap := events(t, g.Bucket, 0)
		require.Zero(t, n)
		require.Equal(t, begun.Add(10*time.Second+time.Millisecond).UnixNano(), snap.Modules[0].Start.UnixNano(), "its period begins with it")

		wait(5 * time.Second)
		n, snap = events(t, g.Bucket, 0)
		require.Equal(t, uint64(10), n)
		require.Equal(t, 5*time.Second, snap.Modules[0].Length)
		n, _ = events(t, p.Bucket, 0)
		require.Equal(t, uint64(30), n)

		wait(time.Minute) // the periods of all end together
		n, _ = events(t, g.Bucket, 1)
		require.Equal(t, uint64(2*49), n, "seconds 11 to 59")
		n, _ = events(t, p.Bucket, 1)
		require.Equal(t, uint64(2*59), n)

		g.Detach()
		g.Detach()
		wait(10 * time.Second)
		n, _ = events(t, g.Bucket, 0)
		require.Equal(t, uint64(2*16), n, "what it has counted stays")
		require.Equal(t, uint64(2*(49+16)), g.Accounts()["second"].Offered)
		n, _ = events(t, p.Bucket, 0)
		require.Equal(t, uint64(2*26), n)
		cancel()
		require.NoError(t, <-done)
	})
}

// Attaching and detaching under traffic must not disturb other handlers.
func TestAttachWhileRunning(t *testing.T) {
	packets := 100_000
	if testing.Short() {
		packets = 20_000
	}
	frames, truth := trafficgen.Frames(trafficgen.VariedDNS(packets))
	src := capture.Fanout(capture.NewMemory(frames), capture.FanoutConfig{Queues: 2})
	p, err := handler.NewPipeline(handler.Config{Sources: src, Handlers: handlers(t, handler.Settings{Periods: 1})})
	require.NoError(t, err)
	done := make(chan error)
	go func() { done <- p.Run(t.Context()) }()
	groups, running := 0, true
	for running {
		g, err := p.Attach(second(t, network.Config{Settings: handler.Settings{Periods: 1}}))
		require.NoError(t, err)
		groups++
		n, _ := events(t, g.Bucket, 0)
		require.LessOrEqual(t, n, truth.Packets)
		g.Detach()
		select {
		case err := <-done:
			require.NoError(t, err)
			running = false
		default:
		}
	}
	n, _ := events(t, p.Bucket, 0)
	require.Equal(t, truth.Packets, n, "with %d groups that came and went", groups)
	require.Equal(t, truth.Packets, p.Account().Analysed)
}

// Attachments that replace one another count each packet once, in all workers.
func TestAttachReplaces(t *testing.T) {
	packets := 100_000
	if testing.Short() {
		packets = 20_000
	}
	frames, truth := trafficgen.Frames(trafficgen.VariedDNS(packets))
	src := capture.Fanout(capture.NewMemory(frames), capture.FanoutConfig{Queues: 2})
	p, err := handler.NewPipeline(handler.Config{Sources: src})
	require.NoError(t, err)
	attach := func(former *handler.Attachment) *handler.Attachment {
		cfg := second(t, network.Config{Settings: handler.Settings{Periods: 1}})
		cfg.Replaces = former
		g, err := p.Attach(cfg)
		require.NoError(t, err)
		return g
	}
	g, sum, replaced := attach(nil), uint64(0), 0
	done := make(chan error)
	go func() { done <- p.Run(t.Context()) }()
	for running := true; running; replaced++ {
		next := attach(g)
		g.Detach()
		n, _ := events(t, g.Bucket, 0)
		sum += n
		g = next
		select {
		case err := <-done:
			require.NoError(t, err)
			running = false
		default:
		}
	}
	n, _ := events(t, g.Bucket, 0)
	require.Equal(t, truth.Packets, sum+n, "replaced %d times", replaced)

	other, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{capture.NewMemory(frames)}})
	require.NoError(t, err)
	cfg := second(t, network.Config{})
	cfg.Replaces = g
	_, err = other.Attach(cfg)
	require.EqualError(t, err, "handler: AttachConfig.Replaces is of another Pipeline")
	require.NoError(t, other.Run(t.Context()))
}

// A pipeline may start without handlers. Handlers that read exports may be attached later.
func TestAttachExports(t *testing.T) {
	datagram := packettest.NetFlow5(0, 0, decode.Flow{Src: netip.MustParseAddr("198.51.100.1"), Dst: netip.MustParseAddr("203.0.113.1"), Bytes: 5, Packets: 1})
	src := capture.NewMemory([]capture.Frame{packettest.UDP(0, "192.0.2.1:5000", "192.0.2.2:2055", datagram)})
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{src}})
	require.NoError(t, err)
	h, err := flow.New(flow.Config{})
	require.NoError(t, err)
	g, err := p.Attach(handler.AttachConfig{Handlers: []handler.Handler{h}})
	require.NoError(t, err)
	require.NoError(t, p.Run(t.Context()))
	snap, err := g.Bucket(0)
	require.NoError(t, err)
	require.Equal(t, uint64(1), flow.From(snap).Devices.Find("192.0.2.1").Records.Value())
	none, err := p.Bucket(0)
	require.NoError(t, err)
	require.Empty(t, none.Modules)
	twice := second(t, network.Config{})
	twice.Handlers = append(twice.Handlers, twice.Handlers...)
	_, err = p.Attach(twice)
	require.EqualError(t, err, "handler: module name 'second' already exists")
}

// The handlers of a worker share what they remember of addresses, and workers do not.
func TestSharedCaches(t *testing.T) {
	method, err := anonymize.New(anonymize.Config{})
	require.NoError(t, err)
	var handlers []handler.Handler
	for range 2 {
		h, err := network.New(network.Config{Settings: handler.Settings{Anonymize: method}})
		require.NoError(t, err)
		handlers = append(handlers, h)
	}
	caches := handler.Shown(handlers, 2)
	require.Same(t, caches[0][0], caches[0][1])
	require.Same(t, caches[1][0], caches[1][1])
	require.NotSame(t, caches[0][0], caches[1][0])
}

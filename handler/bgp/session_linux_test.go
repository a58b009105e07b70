package bgp_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture/afpacket"
	"visor/handler"
	"visor/handler/bgp"
	"visor/internal/netns"
	"visor/internal/wait"
)

// TestSession lets two real routers talk.
func TestSession(t *testing.T) { netns.Run(t, "bird") }

// router is the configuration of one side: both addresses, how it connects, and the routes to
// announce. One side must be passive. If both connect at once, an extra OPEN is sent (RFC 4271
// section 6.8).
func router(t *testing.T, me, other, connects string, routes int) (config string) {
	var b strings.Builder
	fmt.Fprintf(&b, "router id %s;\nlog stderr all;\nprotocol device {}\nprotocol static {\n ipv4;\n", me)
	for i := range routes {
		fmt.Fprintf(&b, " route 198.18.%d.0/24 blackhole;\n", i)
	}
	fmt.Fprintf(&b, "}\nprotocol bgp peer {\n debug { packets };\n local %s as 64500;\n neighbor %s as 64500;\n hold time 3;\n %s;\n"+
		" ipv4 { import all; export all; };\n}\n", me, other, connects)
	path := filepath.Join(t.TempDir(), "bird.conf")
	require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o600))
	return path
}

// TestNSSession compares the captured messages with the log of one router.
func TestNSSession(t *testing.T) {
	netns.Inside(t)
	neighbour := netns.Neighbour(t)
	netns.Cable(t, "near", "far", neighbour, "192.0.2.1/24", "192.0.2.2/24")
	live, err := afpacket.Open(afpacket.Config{Interface: "near", BlockTimeout: 20 * time.Millisecond})
	require.NoError(t, err)
	h, err := bgp.New(bgp.Config{Settings: handler.Settings{Periods: 1}})
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{Sources: live.Sources(), Handlers: []handler.Handler{h}})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()

	var log bytes.Buffer
	near := exec.Command("bird", "-f", "-c", router(t, "192.0.2.1", "192.0.2.2", "passive yes", 3), "-s", filepath.Join(t.TempDir(), "ctl"))
	near.Stderr = &log
	far := netns.Command(neighbour, "bird", "-f", "-c", router(t, "192.0.2.2", "192.0.2.1", "connect delay time 1", 200), "-s", filepath.Join(t.TempDir(), "ctl"))
	require.NoError(t, near.Start())
	require.NoError(t, far.Start())
	count := func() *bgp.Metrics {
		snap, err := p.Bucket(0)
		require.NoError(t, err)
		return bgp.From(snap)
	}
	wait.Until(t, func() bool { return count().Update.Value() >= 4 && count().Keepalive.Value() >= 6 })
	require.NoError(t, far.Process.Signal(syscall.SIGTERM)) // it sends a NOTIFICATION at the end
	_ = far.Wait()
	wait.Until(t, func() bool { return count().Notification.Value() > 0 })
	time.Sleep(300 * time.Millisecond) // for bird's log, and the last block of the ring
	require.NoError(t, near.Process.Kill())
	_ = near.Wait()
	stop()
	require.NoError(t, <-done)

	m := count()
	said := func(what string) uint64 {
		return uint64(strings.Count(log.String(), "Sending "+what) + strings.Count(log.String(), "Got "+what))
	}
	// one that comes is logged as an UPDATE too
	updates := said("UPDATE") + uint64(strings.Count(log.String(), "Sending END-OF-RIB"))
	notifications := uint64(strings.Count(log.String(), "peer: Received: Administrative shutdown"))
	require.Equal(t, []uint64{said("OPEN"), updates, said("KEEPALIVE"), notifications},
		[]uint64{m.Open.Value(), m.Update.Value(), m.Keepalive.Value(), m.Notification.Value()}, "%s", log.String())
	require.Equal(t, uint64(2), m.Open.Value())
	require.Zero(t, p.HandlerAccounts()["bgp"].Undecodable)
}

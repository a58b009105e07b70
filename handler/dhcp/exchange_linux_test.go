package dhcp_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture/afpacket"
	"visor/handler"
	"visor/handler/dhcp"
	"visor/internal/netns"
	"visor/internal/wait"
)

// TestExchange has a real client request an address from a real server.
func TestExchange(t *testing.T) { netns.Run(t, "dnsmasq", "udhcpc") }

// TestNSExchange compares the messages on the server's interface with the server's log.
func TestNSExchange(t *testing.T) {
	netns.Inside(t)
	netns.Pair(t)
	netns.IP(t, "address", "add", "192.0.2.1/24", "dev", netns.Receiver)
	live, err := afpacket.Open(afpacket.Config{Interface: netns.Receiver, BlockTimeout: 20 * time.Millisecond})
	require.NoError(t, err)
	h, err := dhcp.New(dhcp.Config{Settings: handler.Settings{Periods: 1}})
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{Sources: live.Sources(), Handlers: []handler.Handler{h}})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()

	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	defer log.Close()
	logged := func() string {
		b, err := os.ReadFile(log.Name())
		require.NoError(t, err)
		return string(b)
	}
	server := exec.Command("dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0", "--user=root", "--bind-interfaces", "--no-ping",
		"--interface="+netns.Receiver, "--dhcp-range=192.0.2.10,192.0.2.20,1h", "--dhcp-leasefile="+filepath.Join(t.TempDir(), "leases"))
	server.Stdout, server.Stderr = log, log
	require.NoError(t, server.Start())
	// A DISCOVER sent before dnsmasq listens is captured, but the server does not log it.
	wait.Until(t, func() bool { return strings.Contains(logged(), "sockets bound") }, logged)
	client := exec.Command("udhcpc", "-i", netns.Sender, "-n", "-q", "-f", "-t", "20", "-T", "1", "-s", "/bin/true", "-x", "hostname:printer")
	out, err := client.CombinedOutput()
	require.NoError(t, err, "%s", out)
	wait.Until(t, func() bool { // the last message
		snap, err := p.Bucket(0)
		return err == nil && dhcp.From(snap).Ack.Value() > 0
	})
	require.NoError(t, server.Process.Kill())
	_ = server.Wait()
	stop()
	require.NoError(t, <-done)

	snap, err := p.Bucket(0)
	require.NoError(t, err)
	m := dhcp.From(snap)
	said := func(what string) uint64 { return uint64(strings.Count(logged(), what+"(")) }
	require.Equal(t, []uint64{said("DHCPDISCOVER"), said("DHCPOFFER"), said("DHCPREQUEST"), said("DHCPACK")},
		[]uint64{m.Discover.Value(), m.Offer.Value(), m.Request.Value(), m.Ack.Value()}, "%s", logged())
	require.NotZero(t, m.Ack.Value())
	clients, servers := names(&m.TopClients), names(&m.TopServers)
	require.Len(t, clients, 1)
	require.Regexp(t, `^1 [0-9a-f:]{17}/printer/192\.0\.2\.\d+$`, clients[0])
	require.Len(t, servers, 1)
	require.Regexp(t, `^\d+ [0-9a-f:]{17}/192\.0\.2\.1$`, servers[0])
}

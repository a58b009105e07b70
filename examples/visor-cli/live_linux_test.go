package main

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/handler/policy/drill"
	"visor/internal/mmdbtest"
	"visor/internal/netns"
	"visor/internal/wait"
)

// TestLive runs TestNSLive in a network namespace. It needs root.
func TestLive(t *testing.T) {
	netns.Run(t, "dnsperf", "knotd", "tmux")
}

// TestNSLive drills down into a name, a network and an address while knot answers dnsperf. The
// clients and their queries must be shown. The policy must disappear after the drill-down, and
// after the client was killed.
func TestNSLive(t *testing.T) {
	netns.Inside(t)
	neighbour := netns.Neighbour(t)
	netns.Cable(t, "visor0", "server0", neighbour, "10.53.0.1/24", "10.53.0.2/24")
	netns.IP(t, "link", "set", "lo", "up")
	netns.Knot(t, neighbour, "10.53.0.2", "")
	asn := mmdbtest.Write(t, "ASN", map[string]mmdbtest.Record{"::/1": {"autonomous_system_number": uint32(64500), "autonomous_system_organization": "Example"}})
	visord(t, "--admin-api", "-l", "127.0.0.1", "-H", "10.53.0.2/32", "--geo-asn", asn, "visor0")
	netns.Perform(t, "10.53.0.2", 100_000, 900)

	c, err := newClient(options{host: "127.0.0.1", port: 10853})
	require.NoError(t, err)
	drills := func() (n int) {
		names, err := c.policies(context.Background())
		require.NoError(t, err)
		for _, name := range names {
			if strings.HasPrefix(name, "drill-") {
				n++
			}
		}
		return n
	}
	tt := inTerminal(t, 160, 50, "-H", "127.0.0.1", "--refresh", "200ms")
	tt.shows("nosuch.example.com")
	tt.focus("Top NX")
	tt.keys("Enter")
	tt.shows("› behind Top NX: nosuch.example.com")
	tt.shows("10.53.0.1")
	screen := tt.shows("NXDOMAIN")
	require.NotContains(t, screen, "www.example.com", "nothing else is counted")
	require.Contains(t, screen, "AAAA")
	require.Equal(t, 1, drills())
	tt.keys("Escape")
	tt.shows("Enter look behind")
	wait.Until(t, func() bool { return drills() == 0 })

	tt.shows("64500/Example")
	tt.focus("Top ASN")
	tt.keys("Enter")
	tt.shows("› behind Top ASN: 64500/Example")
	tt.shows("www.example.com")
	tt.keys("Escape")
	tt.shows("Enter look behind")

	tt.shows("10.53.0.1")
	tt.focus("IPv4")
	tt.keys("Enter")
	tt.shows("› behind IPv4: 10.53.0.1")
	tt.shows("www.example.com")
	time.Sleep((drill.LeaseSeconds + 3) * time.Second)
	require.Equal(t, 1, drills(), "who looks renews the lease")
	pid := strings.TrimSpace(tt.tmux("display-message", "-p", "#{pane_pid}"))
	require.NoError(t, exec.Command("kill", "-KILL", pid).Run())
	wait.Until(t, func() bool { return drills() == 0 }, func() string { return "the lease ends" })
}

// visord runs the agent until the end of the test. It returns when the agent serves.
func visord(t *testing.T, args ...string) {
	cmd := exec.Command(agentProgram.Path(t), args...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		require.NoError(t, cmd.Wait(), log.String())
	})
	c, err := newClient(options{host: "127.0.0.1", port: 10853})
	require.NoError(t, err)
	wait.Until(t, func() bool {
		_, err := c.serverVersion(context.Background())
		return err == nil
	})
}

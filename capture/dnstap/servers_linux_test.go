package dnstap_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/afpacket"
	"visor/capture/dnstap"
	"visor/handler"
	"visor/handler/dns"
	"visor/internal/netns"
	"visor/internal/wait"
)

// TestServers makes real DNS servers log the queries of dnsperf, and captures the same traffic on
// the loopback interface. All counts must equal the counts of dnsperf. Each server runs as its own
// user and may write to the socket because of a group. The test needs root and the servers.
func TestServers(t *testing.T) {
	netns.Run(t, "dnsperf", "setpriv")
}

// group is a number that no group of the system has.
const group = "4253"

func TestNSServers(t *testing.T) {
	netns.Inside(t)
	const address, client = "127.0.0.53", "127.0.0.1"
	netns.IP(t, "link", "set", "lo", "up")
	netns.IP(t, "addr", "add", address, "dev", "lo") // named listens on addresses of interfaces
	for _, server := range netns.Servers() {
		t.Run(server.Name, func(t *testing.T) {
			server.Skip(t)
			dir, err := os.MkdirTemp("", "visor-tap-")
			require.NoError(t, err)
			defer os.RemoveAll(dir)
			require.NoError(t, os.Chmod(dir, 0o755))
			path := filepath.Join(dir, "s")
			tap := listen(t, dnstap.Config{Network: "unix", Address: path, Group: group})
			lo, err := afpacket.Open(afpacket.Config{Interface: "lo", BlockTimeout: 20 * time.Millisecond})
			require.NoError(t, err)
			logged, captured := watch(t, tap), watch(t, lo.Sources()...)

			server.Start(t, netns.Place{Address: address, Socket: path, Group: group})
			sent, completed := netns.Perform(t, address, 900, 300, "-a", client)()
			for what, counts := range map[string]func() tally{"dnstap": logged, "loopback": captured} {
				var got tally
				wait.Until(t, func() bool { // servers flush their messages once a second
					got = counts()
					return got.queries >= sent && got.replies >= completed
				}, func() string { return fmt.Sprintf("%s: %+v, of %d queries and %d replies", what, got, sent, completed) })
				want := tally{sent, completed, completed, client, fmt.Sprint(address, " ", completed)}
				require.Equal(t, want, got, what)
			}
			require.Zero(t, lo.Stats().Drops)
			require.Empty(t, tap.Reasons())
			t.Logf("%s: %d queries, %d replies, by dnsperf, dnstap and the loopback interface", server.Name, sent, completed)
		})
	}
}

// tally holds the counts of an analyzer, the clients that got replies and the servers.
type tally struct {
	queries, replies, transactions uint64
	clients, servers               string
}

// watch runs sources through the DNS analyzer. It returns a function that returns the counts.
func watch(t *testing.T, sources ...capture.Source) func() tally {
	h, err := dns.New(dns.Config{Settings: handler.Settings{Periods: 1}})
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{Sources: sources, Handlers: []handler.Handler{h}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return func() tally {
		snap, err := p.Bucket(0)
		require.NoError(t, err)
		m := dns.From(snap)
		got := tally{m.Queries.Value(), m.Replies.Value(), m.Trans.Value(), "", ""}
		for _, c := range m.Clients.ByAddress.Bytes.Items(9) {
			got.clients += c.Name
		}
		for name, s := range m.Servers.All() {
			got.servers += fmt.Sprint(name, " ", s.Trans.Value())
		}
		return got
	}
}

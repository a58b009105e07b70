package dnstap_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/afpacket"
	"visor/capture/dnstap"
	"visor/handler"
	"visor/handler/dns"
	"visor/internal/netns"
)

// TestServers lets real DNS servers tell of the queries of dnsperf, and captures the same traffic on the loopback interface: all
// counts are those of dnsperf. It needs root, and of knotd, unbound and named those that are to be tried.
func TestServers(t *testing.T) {
	netns.Run(t, "dnsperf")
}

const zone = `$ORIGIN example.com.
$TTL 3600
@   SOA ns host 1 3600 600 86400 3600
@   NS  ns
ns  A   127.0.0.1
www A   192.0.2.1
`

// servers are configurations that answer for example.com on 127.0.0.1, port 53, and write dnstap to the socket s. DIR is a folder
// of the test.
var servers = []struct {
	name, config string
	args         []string
}{
	{"knotd", `
server:
    rundir: "DIR"
    listen: 127.0.0.1@53
    user: root:root
    udp-workers: 8
database:
    storage: "DIR"
mod-dnstap:
  - id: tap
    sink: "unix:DIR/s"
    log-queries: on
    log-responses: on
template:
  - id: default
    global-module: mod-dnstap/tap
    storage: "DIR"
zone:
  - domain: example.com
    file: "DIR/zone"
    zonefile-load: whole
    journal-content: none
`, []string{"-c", "DIR/config"}},
	{"unbound", `
server:
    interface: 127.0.0.1
    port: 53
    chroot: ""
    username: ""
    directory: "DIR"
    pidfile: ""
    use-syslog: no
    module-config: "iterator"
    local-zone: "example.com." static
    local-data: "www.example.com. A 192.0.2.1"
    local-data: "example.com. NS ns.example.com."
dnstap:
    dnstap-enable: yes
    dnstap-bidirectional: yes
    dnstap-socket-path: "DIR/s"
    dnstap-log-client-query-messages: yes
    dnstap-log-client-response-messages: yes
remote-control:
    control-enable: no
`, []string{"-d", "-p", "-c", "DIR/config"}},
	{"named", `
options {
    directory "DIR";
    listen-on { 127.0.0.1; };
    listen-on-v6 { none; };
    pid-file none;
    session-keyfile none;
    recursion no;
    dnstap { auth; client; };
    dnstap-output unix "DIR/s";
    fstrm-set-input-queue-size 16384;
};
controls { };
zone "example.com" { type primary; file "DIR/zone"; };
`, []string{"-f", "-c", "DIR/config"}},
}

func TestNSServers(t *testing.T) {
	netns.Inside(t)
	netns.IP(t, "link", "set", "lo", "up")
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			if _, err := exec.LookPath(server.name); err != nil {
				t.Skipf("skipped: there is no %s command", server.name)
			}
			dir := t.TempDir()
			inDir := func(s string) string { return strings.ReplaceAll(s, "DIR", dir) }
			require.NoError(t, os.WriteFile(filepath.Join(dir, "zone"), []byte(zone), 0o644))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "config"), []byte(inDir(server.config)), 0o644))
			tap := listen(t, dnstap.Config{Network: "unix", Address: filepath.Join(dir, "s"), Mode: 0o666})
			lo, err := afpacket.Open(afpacket.Config{Interface: "lo", BlockTimeout: 20 * time.Millisecond})
			require.NoError(t, err)
			told, seen := watch(t, tap), watch(t, lo.Sources()...)

			var args []string
			for _, a := range server.args {
				args = append(args, inDir(a))
			}
			launch(t, exec.Command(server.name, args...))
			sent, completed := netns.Perform(t, "127.0.0.1", 3000, 1000)()
			for what, counts := range map[string]func() (q, r uint64){"dnstap": told, "loopback": seen} {
				queries, replies := counts()
				for i := 0; i < 200 && (queries < sent || replies < completed); i++ { // servers flush what they have once a second
					time.Sleep(50 * time.Millisecond)
					queries, replies = counts()
				}
				require.Equal(t, []uint64{sent, completed}, []uint64{queries, replies}, what)
			}
			require.Zero(t, lo.Stats().Drops)
			t.Logf("%s: %d queries, %d replies, by dnsperf, dnstap and the loopback interface", server.name, sent, completed)
		})
	}
}

// watch runs sources through the DNS analyzer, and returns a function that tells how many queries and replies there were.
func watch(t *testing.T, sources ...capture.Source) func() (queries, replies uint64) {
	h, err := dns.New(dns.Config{Settings: handler.Settings{Periods: 1}})
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{Sources: sources, Handlers: []handler.Handler{h}, Live: true})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return func() (uint64, uint64) {
		snap, err := p.Bucket(0)
		require.NoError(t, err)
		m := dns.From(snap)
		return m.Queries.Value(), m.Replies.Value()
	}
}

// launch runs a server until the end of the test, and waits until it listens. It is asked nothing, since that would count.
func launch(t *testing.T, cmd *exec.Cmd) {
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		conn, err := net.Dial("tcp", "127.0.0.1:53")
		if err == nil {
			conn.Close()
			break
		}
		require.True(t, time.Now().Before(deadline), "%s does not listen: %v", cmd.Path, err)
	}
	time.Sleep(300 * time.Millisecond) // until it has connected to the socket
}

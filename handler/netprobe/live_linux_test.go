package netprobe_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/probe"
	"visor/handler"
	"visor/handler/netprobe"
	"visor/internal/netns"
)

func TestInNamespace(t *testing.T) { netns.Run(t) }

// watch probes for a while and returns what was counted.
func watch(t *testing.T, cfg probe.Config, long time.Duration) *netprobe.Metrics {
	src, err := probe.New(cfg)
	require.NoError(t, err)
	h, err := netprobe.New(netprobe.Config{Settings: handler.Settings{Enable: []string{"all"}}, Timeout: 200 * time.Millisecond})
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{src}, Handlers: []handler.Handler{h}})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	require.NoError(t, p.Run(ctx))
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	return netprobe.From(snap)
}

// prepare brings up the loopback, and an interface that loses all packets: 192.0.2.2 and
// 2001:db8::2 never answer.
func prepare(t *testing.T) {
	netns.Inside(t)
	if os.Geteuid() != 0 {
		return // all is prepared
	}
	netns.IP(t, "link", "set", "lo", "up")
	if _, err := net.InterfaceByName("drop0"); err != nil {
		netns.IP(t, "link", "add", "drop0", "type", "veth", "peer", "name", "drop1")
		netns.IP(t, "addr", "add", "192.0.2.1/24", "dev", "drop0")
		netns.IP(t, "link", "set", "drop0", "up")
		netns.IP(t, "link", "set", "drop1", "up")
		netns.IP(t, "addr", "add", "2001:db8::1/64", "dev", "drop0", "nodad")
		for _, nobody := range []string{"192.0.2.2", "2001:db8::2"} {
			netns.IP(t, "neigh", "add", nobody, "lladdr", "02:00:00:00:00:01", "dev", "drop0", "nud", "permanent")
		}
	}
}

// TestNSPing probes through raw sockets, and through unprivileged ones.
func TestNSPing(t *testing.T) {
	prepare(t)
	for name, groups := range map[string]string{"raw": "1 0", "unprivileged": "0 0"} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte(groups), 0o644))
			ping(t)
		})
	}
}

// Both families of the loopback answer every ping in less than 150 ms, and lost packets time out.
// The loopback delivers visor's requests to the raw socket too. Unlike in pktvisor, they do not
// count.
func ping(t *testing.T) {
	m := watch(t, probe.Config{
		Interval: 300 * time.Millisecond, Timeout: 200 * time.Millisecond, Packets: 4, PacketInterval: 10 * time.Millisecond, Payload: 1000,
		Targets: []probe.Target{
			{Name: "four", Host: "127.0.0.1"}, {Name: "six", Host: "::1"}, {Name: "lost", Host: "192.0.2.2"}, {Name: "lost six", Host: "2001:db8::2"},
			{Name: "name", Host: "localhost"},
		},
	}, 1400*time.Millisecond)
	for _, name := range []string{"four", "six", "name"} {
		x := m.Targets.Find(name)
		require.NotNil(t, x, name)
		require.GreaterOrEqual(t, x.Attempts.Value(), uint64(16), "four tests of four packets, and the begin of a fifth")
		require.LessOrEqual(t, x.Attempts.Value(), uint64(20))
		require.InDelta(t, float64(x.Attempts.Value()), float64(x.Successes.Value()), 1, "the last one may be on its way")
		require.Zero(t, x.TimedOut.Value()+x.ConnectFailures.Value()+x.LookupFailures.Value())
		require.Less(t, x.Max.Max(), uint64(150_000))
		require.LessOrEqual(t, x.Min.Min(), x.Max.Max())
		require.Equal(t, x.Successes.Value(), x.Histogram.Count())
		t.Logf("%s: %d of %d, %d to %d µs, mean %d, jitter %d", name, x.Successes.Value(), x.Attempts.Value(), x.Min.Min(), x.Max.Max(), x.Mean.Extremes.Mean(), x.Jitter.Extremes.Mean())
	}
	for _, name := range []string{"lost", "lost six"} {
		x := m.Targets.Find(name)
		require.NotNil(t, x, name)
		require.GreaterOrEqual(t, x.Attempts.Value(), uint64(16))
		require.Zero(t, x.Successes.Value())
		require.GreaterOrEqual(t, x.TimedOut.Value()+x.ConnectFailures.Value(), uint64(12), "of all tests but the last")
	}
}

// If the system permits neither socket, the error names a remedy.
func TestNSNoSocket(t *testing.T) {
	prepare(t)
	if os.Geteuid() != 0 {
		_, err := probe.New(probe.Config{Targets: []probe.Target{{Name: "a", Host: "127.0.0.1"}}})
		require.ErrorContains(t, err, "ping_group_range")
		require.ErrorContains(t, err, "CAP_NET_RAW")
		return
	}
	require.NoError(t, os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("1 0"), 0o644))
	// where everybody may run it
	program := filepath.Join("/tmp", fmt.Sprintf("visor-netprobe-%d.test", os.Getpid()))
	b, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(program, b, 0o755))
	defer os.Remove(program)
	cmd := exec.Command(program, "-test.run", "^TestNSNoSocket$")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "PASS")
}

func TestNSConnect(t *testing.T) {
	prepare(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	m := watch(t, probe.Config{
		Test: probe.Connect, Interval: 300 * time.Millisecond, Timeout: 200 * time.Millisecond,
		Targets: []probe.Target{
			{Name: "open", Host: "127.0.0.1", Port: port}, {Name: "closed", Host: "127.0.0.1", Port: 1}, {Name: "lost", Host: "192.0.2.2", Port: 80},
			{Name: "nowhere", Host: "nowhere.invalid", Port: 80},
		},
	}, 1400*time.Millisecond)
	open, closed, lost, nowhere := m.Targets.Find("open"), m.Targets.Find("closed"), m.Targets.Find("lost"), m.Targets.Find("nowhere")
	require.GreaterOrEqual(t, open.Successes.Value(), uint64(4))
	require.Equal(t, open.Attempts.Value(), open.Successes.Value())
	require.Less(t, open.Max.Max(), uint64(150_000))
	require.GreaterOrEqual(t, closed.ConnectFailures.Value(), uint64(4))
	require.Zero(t, closed.Successes.Value())
	require.GreaterOrEqual(t, lost.TimedOut.Value(), uint64(4))
	require.GreaterOrEqual(t, nowhere.LookupFailures.Value(), uint64(4))
	require.Zero(t, nowhere.Attempts.Value())
}

// TestNSRequests uses HTTP and DNS servers that answer, an unreachable one, and names that cannot
// be resolved.
func TestNSRequests(t *testing.T) {
	prepare(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gone" {
			w.WriteHeader(http.StatusGone)
		}
	}))
	defer server.Close()
	m := watch(t, probe.Config{
		Test: probe.HTTP, Interval: 300 * time.Millisecond, Timeout: 200 * time.Millisecond,
		Targets: []probe.Target{
			{Name: "up", Host: server.URL}, {Name: "gone", Host: server.URL + "/gone"}, {Name: "lost", Host: "http://192.0.2.2/"}, {Name: "closed", Host: "http://127.0.0.1:1/"},
			{Name: "nowhere", Host: "http://nowhere.invalid/"},
		},
	}, 1400*time.Millisecond)
	up, gone, lost, closed, nowhere := m.Targets.Find("up"), m.Targets.Find("gone"), m.Targets.Find("lost"), m.Targets.Find("closed"), m.Targets.Find("nowhere")
	require.GreaterOrEqual(t, up.Successes.Value(), uint64(1))
	require.Equal(t, up.Attempts.Value(), up.Successes.Value())
	require.Equal(t, up.Attempts.Value(), up.First.Count())
	require.GreaterOrEqual(t, gone.StatusFailures.Value(), uint64(1))
	require.Equal(t, gone.Attempts.Value(), gone.TopStatus.Total())
	require.GreaterOrEqual(t, lost.TimedOut.Value(), uint64(1))
	require.Equal(t, lost.Attempts.Value(), lost.TimedOut.Value())
	require.GreaterOrEqual(t, closed.ConnectFailures.Value(), uint64(1))
	require.GreaterOrEqual(t, nowhere.LookupFailures.Value(), uint64(1))
	require.Equal(t, nowhere.Attempts.Value(), nowhere.LookupFailures.Value(), "of requests, look-ups that fail are attempts")

	m = watch(t, probe.Config{
		Test: probe.DNS, Interval: 300 * time.Millisecond, Timeout: 200 * time.Millisecond, Query: probe.Query{Name: "www.example.com"},
		Targets: []probe.Target{{Name: "lost", Host: "192.0.2.2"}, {Name: "lost six", Host: "2001:db8::2", Port: 5300}, {Name: "closed", Host: "127.0.0.1"}},
	}, 1400*time.Millisecond)
	require.GreaterOrEqual(t, m.Targets.Find("lost").TimedOut.Value(), uint64(1))
	require.GreaterOrEqual(t, m.Targets.Find("lost six").TimedOut.Value(), uint64(1))
	require.GreaterOrEqual(t, m.Targets.Find("closed").ConnectFailures.Value(), uint64(1))
}

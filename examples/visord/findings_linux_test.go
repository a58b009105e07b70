package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/export/findings"
	"visor/internal/netns"
	"visor/internal/wait"
)

// foundPolicy looks for findings in the DNS traffic of the interface of the test.
const foundPolicy = `
visor:
  taps:
    wire: {input_type: pcap, config: {iface: visor0, host_spec: 10.53.0.0/29}}
  policies:
    watched: {kind: collection, input: {tap: wire, input_type: pcap}, handlers: {modules: {dns: {type: dns, metric_groups: {enable: [everything]}}}}}
`

// foundPeriod is the length of periods. Short ones make the test short.
const foundPeriod = 2 * time.Second

// The addresses of the servers, of the ordinary client and of the attacker.
const (
	resolverAddress, serverAddress = "10.53.0.2", "10.53.0.3"
	ordinaryAddress, attackAddress = "10.53.0.9", "10.53.0.66"
)

// findings returns the findings that last and the resolved ones.
func (p *process) findings() (out []findings.Finding) {
	status, body := p.get("/api/v1/findings")
	require.Equal(p.t, 200, status, body)
	var answer struct{ Active, Resolved []findings.Finding }
	require.NoError(p.t, json.Unmarshal([]byte(body), &answer))
	return append(answer.Active, answer.Resolved...)
}

// attack waits for a finding about an attack since a time. It must begin with the first or the
// second period of the attack, and have the client as evidence.
func (p *process) attack(t testing.TB, kind findings.Kind, begin time.Time) (found findings.Finding) {
	wait.Until(t, func() bool {
		for _, f := range p.findings() {
			if f.Kind == kind && f.Until.After(begin) {
				found = f
				return true
			}
		}
		return false
	}, func() string { return fmt.Sprintf("%+v", p.findings()) })
	t.Log(found.Text, found.Evidence.Clients, found.Evidence.Examples)
	require.Equal(t, findings.Attack, found.Severity)
	require.Less(t, found.Since.Sub(begin), foundPeriod, "the attack began in the first period")
	require.NotEmpty(t, found.Evidence.Clients)
	require.NotEmpty(t, found.Evidence.Examples)
	require.Equal(t, attackAddress, found.Evidence.Clients[0].Name)
	return found
}

// seen waits for the first query of the attacker and returns the time.
func (p *process) seen(t testing.TB) time.Time {
	wait.Until(t, func() bool {
		_, body := p.get("/api/v1/policies/watched/metrics/bucket/0")
		return strings.Contains(body, attackAddress)
	})
	return time.Now()
}

// ask has dnsperf send questions to a server until the end of the test.
func ask(t testing.TB, from, server string, rate int, questions []string) {
	file := filepath.Join(t.TempDir(), "questions")
	require.NoError(t, os.WriteFile(file, []byte(strings.Join(questions, "\n")+"\n"), 0o644))
	netns.Background(t, exec.Command("dnsperf", "-a", from, "-s", server, "-d", file, "-l", "600", "-c", "16", "-q", "50", "-Q", fmt.Sprint(rate)))
}

// ordinaryQuestions are for names that exist, except one in a hundred.
func ordinaryQuestions() (out []string) {
	for i := range 300 {
		out = append(out, fmt.Sprintf("host%d.hosting.example.com A", i*i%97), "www.example.com AAAA", "example.com NS")
	}
	for i := range 9 {
		out = append(out, fmt.Sprintf("missing%d.example.com A", i%3))
	}
	return out
}

// randomQuestions are for names that do not exist.
func randomQuestions() (out []string) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		out = append(out, fmt.Sprintf("%08x.example.com A", rnd.Uint32()))
	}
	return out
}

// missing skips a test unless all programs are there.
func missing(t testing.TB, programs ...string) {
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("skipped: the command %s is missing", program)
		}
	}
}

// TestNSFindings attacks real servers. visord names the domain and the client, in two periods.
func TestNSFindings(t *testing.T) {
	netns.Inside(t)
	neighbour := netns.Neighbour(t)
	netns.Cable(t, "visor0", "server0", neighbour, "10.53.0.1/24", resolverAddress+"/24")
	netns.IP(t, "link", "set", "lo", "up")
	netns.IP(t, "-n", neighbour, "address", "add", serverAddress+"/24", "dev", "server0")
	for _, address := range []string{ordinaryAddress, attackAddress} {
		netns.IP(t, "address", "add", address+"/24", "dev", "visor0")
	}
	netns.Knot(t, neighbour, serverAddress, "")
	p := start(t, nil, "--config", configFile(t, foundPolicy), "--period", foundPeriod.String())
	ask(t, ordinaryAddress, serverAddress, 100, ordinaryQuestions())

	t.Run("random labels against knot", func(t *testing.T) {
		ask(t, attackAddress, serverAddress, 200, randomQuestions())
		begin := p.seen(t)
		require.Equal(t, "example.com", p.attack(t, findings.RandomLabels, begin).Subject)
	})
	t.Run("random labels through unbound", func(t *testing.T) {
		missing(t, "unbound")
		netns.Resolver(t, neighbour, resolverAddress, serverAddress)
		p.quiet(t)
		ask(t, attackAddress, resolverAddress, 200, randomQuestions())
		begin := p.seen(t)
		require.Equal(t, "example.com", p.attack(t, findings.RandomLabels, begin).Subject)
	})
	t.Run("tunnel of iodine", func(t *testing.T) { tunnelByIodine(t, p, neighbour) })
	t.Run("tunnel of dns2tcp", func(t *testing.T) { tunnelByDNS2TCP(t, p, neighbour) })
	t.Run("ten times the load", tenTimesTheLoad)
}

// tenTimesTheLoad starts another visord. To the first one, the attacks before are pulses like this.
func tenTimesTheLoad(t *testing.T) {
	p := start(t, nil, "--config", configFile(t, foundPolicy), "--period", foundPeriod.String())
	before := p.loads(t, 12, 20)
	ask(t, ordinaryAddress, serverAddress, 900, ordinaryQuestions())
	p.loads(t, 4, 4*before) // a busy machine may not reach more
	wait.Until(t, func() bool {
		return slices.ContainsFunc(p.findings(), func(f findings.Finding) bool { return f.Kind == findings.Spike })
	}, func() string { return fmt.Sprintf("%+v", p.findings()) })
	for _, f := range p.findings() {
		require.NotEqual(t, findings.Attack, f.Severity, "%+v", f)
	}
}

// loads waits for some closed periods with at least a number of queries. It returns the least one.
func (p *process) loads(t testing.TB, periods int, queries float64) (least float64) {
	seen, body := make(map[int64]float64), "" // by the start of the period
	wait.Until(t, func() bool {
		_, body = p.get("/api/v1/policies/watched/metrics/bucket/1")
		var answer map[string]map[string]struct {
			DNS struct {
				Period struct {
					Start int64 `json:"start_ts"`
				}
				Packets struct{ Queries float64 } `json:"wire_packets"`
			}
		}
		if json.Unmarshal([]byte(body), &answer) == nil {
			if m := answer["watched"]["watched-wire-dns"].DNS; m.Packets.Queries >= queries {
				seen[m.Period.Start] = m.Packets.Queries
			}
		}
		return len(seen) >= periods
	}, func() string { return fmt.Sprint(seen, queries, body) })
	return slices.Min(slices.Collect(maps.Values(seen)))
}

// quiet waits until no finding lasts.
func (p *process) quiet(t testing.TB) {
	wait.Until(t, func() bool {
		for _, f := range p.findings() {
			if !f.Resolved && f.Severity == findings.Attack {
				return false
			}
		}
		return true
	}, func() string { return fmt.Sprintf("%+v", p.findings()) })
}

// tunnelByIodine sends datagrams through an interface of iodine.
func tunnelByIodine(t *testing.T, p *process, neighbour string) {
	missing(t, "iodine", "iodined")
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skip("skipped: no TUN interfaces here")
	}
	p.quiet(t)
	netns.Background(t, netns.Command(neighbour, "iodined", "-f", "-c", "-P", "secret", "-l", resolverAddress, "10.99.0.1/24", "t.example.org"))
	netns.IP(t, "route", "replace", resolverAddress+"/32", "dev", "visor0", "src", attackAddress)
	netns.Background(t, exec.Command("iodine", "-f", "-r", "-P", "secret", resolverAddress, "t.example.org"))
	wait.Until(t, func() bool { // the other end refuses, so the tunnel works
		c, err := net.DialTimeout("tcp", "10.99.0.1:1", time.Second)
		if err == nil {
			_ = c.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
	conn, err := net.Dial("udp", "10.99.0.1:9")
	require.NoError(t, err)
	begin := time.Now()
	send(t, conn)
	require.Equal(t, "example.org", p.attack(t, findings.Tunnel, begin).Subject)
}

// tunnelByDNS2TCP sends data through a connection of dns2tcp.
func tunnelByDNS2TCP(t *testing.T, p *process, neighbour string) {
	missing(t, "dns2tcpd", "dns2tcpc")
	p.quiet(t)
	sink, err := net.Listen("tcp", "10.53.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = sink.Close() })
	through := make(chan net.Conn, 16)
	go func() {
		for c, err := sink.Accept(); err == nil; c, err = sink.Accept() {
			through <- c
			go func() { _, _ = io.Copy(io.Discard, c) }()
		}
	}()
	config := filepath.Join(t.TempDir(), "dns2tcpd")
	text := fmt.Sprintf("listen = %s\nport = 53\nuser = root\nchroot = /tmp\ndomain = d.example.net\nresources = sink:%s\n", resolverAddress, sink.Addr())
	require.NoError(t, os.WriteFile(config, []byte(text), 0o644))
	netns.Background(t, netns.Command(neighbour, "dns2tcpd", "-F", "-f", config))
	netns.IP(t, "route", "replace", resolverAddress+"/32", "dev", "visor0", "src", attackAddress)
	netns.Background(t, exec.Command("dns2tcpc", "-z", "d.example.net", "-r", "sink", "-l", "22222", resolverAddress))
	var conn net.Conn
	wait.Until(t, func() bool { // either program may not be ready
		if conn, err = net.Dial("tcp", "127.0.0.1:22222"); err != nil {
			return false
		}
		_, _ = conn.Write([]byte("x"))
		select {
		case <-through:
			return true
		case <-time.After(5 * time.Second):
			return conn.Close() != nil
		}
	})
	begin := time.Now()
	send(t, conn)
	require.Equal(t, "example.net", p.attack(t, findings.Tunnel, begin).Subject)
}

// send writes data to a connection until the end of the test.
func send(t testing.TB, conn net.Conn) {
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		rnd, data := rand.New(rand.NewPCG(3, 4)), make([]byte, 200)
		for {
			for i := range data {
				data[i] = byte(rnd.Uint32())
			}
			if _, err := conn.Write(data); errors.Is(err, net.ErrClosed) { // datagrams are refused
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
}

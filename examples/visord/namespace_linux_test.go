package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	godnstap "github.com/dnstap/golang-dnstap"
	framestream "github.com/farsightsec/golang-framestream"
	"github.com/stretchr/testify/require"

	"visor/decode/dnstapmsg"
	"visor/internal/netns"
	"visor/internal/packettest"
	"visor/internal/schematest"
	"visor/internal/wait"
)

// TestInNamespace runs the tests whose names begin with TestNS in a network namespace. It needs
// root.
func TestInNamespace(t *testing.T) {
	netns.Run(t, "dnsperf", "knotd")
}

// fivePolicies count the same traffic on two taps.
const fivePolicies = `
visor:
  config: {admin_api: true, pprof: true, memory_limit: 1G}
  taps:
    wire: {input_type: pcap, config: {iface: visor0, host_spec: 10.53.0.2/32, af_packet_ring_mb: 64}, tags: {by: wire}}
    names: {input_type: dnstap, config: {socket: "DIR/tap.sock"}, tags: {by: dnstap}}
  policies:
    default:  {kind: collection, input: {tap: wire, input_type: pcap}, handlers: {modules: {net: {type: net}, dns: {type: dns}, pcap: {type: pcap}}}}
    second:   {kind: collection, input: {tap: wire, input_type: pcap}, handlers: {modules: {net: {type: net, require_version: "2.0"}, dns: {type: dns, require_version: "2.0"}}}}
    refused:  {kind: collection, input: {tap: wire, input_type: pcap, filter: {bpf: port 53}}, handlers: {modules: {dns: {type: dns}}}}
    tapped:   {kind: collection, input: {tap: names, input_type: dnstap}, handlers: {modules: {dns: {type: dns}}}}
    merged:   {kind: collection, config: {merge_like_handlers: true}, input: {tap_selector: {all: [by: dnstap]}, input_type: dnstap}, handlers: {modules: {dns: {type: dns}}}}
`

// admin is a client of the API that validates all answers.
type admin struct {
	*process
	description *schematest.Description
	client      http.Client
}

func newAdmin(t testing.TB, p *process) *admin {
	a := &admin{process: p, client: http.Client{Timeout: 30 * time.Second}}
	_, doc := p.get("/openapi.json")
	a.description = schematest.Describe(t, []byte(doc))
	return a
}

func (a *admin) do(method, path, body string) (int, string) {
	req, err := http.NewRequest(method, a.url+path, strings.NewReader(body))
	require.NoError(a.t, err)
	req.Header.Set("Content-Type", "application/x-yaml")
	resp, err := a.client.Do(req)
	require.NoError(a.t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(a.t, err)
	a.description.Validate(a.t, method, path, resp.StatusCode, resp.Header.Get("Content-Type"), answer)
	return resp.StatusCode, string(answer)
}

// usage holds the resources of a process.
type usage struct{ goroutines, descriptors, heap int }

var (
	goroutines = regexp.MustCompile(`goroutine profile: total (\d+)`)
	heapInUse  = regexp.MustCompile(`# HeapAlloc = (\d+)`)
)

func (a *admin) usage() (u usage) {
	number := func(form *regexp.Regexp, path string) int {
		_, body := a.get(path)
		m := form.FindStringSubmatch(body)
		require.NotNil(a.t, m, path)
		n, err := strconv.Atoi(m[1])
		require.NoError(a.t, err)
		return n
	}
	u.goroutines = number(goroutines, "/debug/pprof/goroutine?debug=1")
	u.heap = number(heapInUse, "/debug/pprof/heap?debug=1&gc=1")
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", a.cmd.Process.Pid))
	require.NoError(a.t, err)
	u.descriptors = len(fds)
	return u
}

// passing returns a temporary policy. It shares an input, has its own input, is a sequence, or has
// a lease, depending on i.
func passing(i int) string {
	input, config := `{tap: wire, input_type: pcap}`, ""
	modules := `{net: {type: net}, dns: {type: dns, metric_groups: {enable: [all]}}}`
	switch i % 5 {
	case 1:
		input = fmt.Sprintf(`{tap: wire, input_type: pcap, filter: {bpf: "port %d"}, config: {af_packet_ring_mb: 1}}`, 1000+i)
	case 2:
		input = `{tap: names, input_type: dnstap}`
	case 3:
		modules = `[dns: {type: dns, filter: {only_rcode: 3}}, net: {type: net, require_version: "2.0"}]`
	case 4:
		config = "config: {lease_secs: 60}, "
	}
	return fmt.Sprintf("visor: {policies: {passing: {kind: collection, %sinput: %s, handlers: {modules: %s}}}}", config, input, modules)
}

// logTransactions writes n queries and n responses to a dnstap socket at a rate per second. A real
// DNS server would drop messages on a busy machine when its queue is full. This sender waits
// instead.
func logTransactions(t testing.TB, socket string, n, rate int) <-chan error {
	conn, err := net.Dial("unix", socket)
	require.NoError(t, err)
	options := &framestream.EncoderOptions{ContentType: godnstap.FSContentType, Bidirectional: true}
	out, err := framestream.NewEncoder(conn, options)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		var problem error
		for i := range n {
			problem = errors.Join(problem, logTransaction(out, i))
			if i%(rate/100) == 0 {
				time.Sleep(10 * time.Millisecond)
			}
		}
		done <- errors.Join(problem, out.Close(), conn.Close())
	}()
	return done
}

// logTransaction writes the i-th query and its response.
func logTransaction(out *framestream.Encoder, i int) error {
	query := packettest.Query(uint16(i), "www.example.com", 1)
	m := dnstapmsg.Message{
		Type: dnstapmsg.AuthQuery, Protocol: dnstapmsg.UDP, IPv4: true,
		QueryAddr: []byte{192, 0, 2, byte(i >> 8)}, QueryPort: uint16(1024 + i), ResponseAddr: []byte{198, 51, 100, 1}, ResponsePort: 53,
		QueryTime: time.Now().UnixNano(), Query: query,
	}
	_, err := out.Write(m.AppendTo(nil))
	m.Type, m.Query = dnstapmsg.AuthResponse, nil
	m.ResponseTime, m.Response = time.Now().UnixNano(), packettest.Reply(query, 0, 1)
	_, problem := out.Write(m.AppendTo(nil))
	return errors.Join(err, problem)
}

// TestNSChurn adds, replaces and removes policies 1,000 times while knot answers dnsperf. The
// permanent policies must count every packet, and no resources may leak.
func TestNSChurn(t *testing.T) {
	netns.Inside(t)
	neighbour := netns.Neighbour(t)
	netns.Cable(t, "visor0", "server0", neighbour, "10.53.0.1/24", "10.53.0.2/24")
	netns.IP(t, "link", "set", "lo", "up")
	dir := t.TempDir()
	files := strings.NewReplacer("DIR", dir)
	p := start(t, nil, "--config", configFile(t, files.Replace(fivePolicies)))
	a := newAdmin(t, p)
	netns.Knot(t, neighbour, "10.53.0.2", "")

	const queries, rate = 24_000, 2000
	asking := netns.Perform(t, "10.53.0.2", queries, rate)
	logging := logTransactions(t, filepath.Join(dir, "tap.sock"), queries, rate)
	before := a.churn(1000)
	sent, completed := asking()
	require.NoError(t, <-logging)
	require.Equal(t, uint64(queries), sent)
	require.Equal(t, sent, completed, "else there is nothing to compare with")

	a.settled(completed)
	wait.Until(t, func() bool {
		now := a.usage()
		return now.goroutines <= before.goroutines+2 && now.descriptors <= before.descriptors+2 && now.heap < before.heap+4<<20
	}, func() string { return fmt.Sprintf("before %+v, now %+v", before, a.usage()) })
	require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	require.Equal(t, exitDone, p.end())
}

// churn changes the policy passing n times and requests all metrics in between. It returns the
// resources of the process after the first changes.
func (a *admin) churn(n int) (early usage) {
	begin := time.Now()
	for done := 0; done < n; {
		for _, step := range []struct {
			method, path, body string
			status             int
		}{
			{"POST", "", passing(done), 201},
			{"PUT", "/passing", passing(done + 1), 200},
			{"DELETE", "/passing", "", 200},
		} {
			status, answer := a.do(step.method, "/api/v1/policies"+step.path, step.body)
			require.Equal(a.t, step.status, status, answer)
			done++
		}
		if done%30 == 0 {
			for _, path := range []string{
				"/api/v1/policies", "/api/v1/policies/__all/metrics/bucket/0", "/api/v1/policies/__all/metrics/window/5", "/api/v1/policies/default/metrics/prometheus",
				"/api/v1/metrics/window/5", "/api/v1/taps",
			} {
				status, answer := a.do("GET", path, "")
				require.Equal(a.t, 200, status, answer)
			}
			status, answer := a.do("POST", "/api/v1/policies", strings.Replace(passing(done), "type: net", "type: bpf", 1))
			require.Equal(a.t, 400, status, answer)
		}
		if done == 60 {
			early = a.usage()
		}
	}
	a.t.Logf("%d changes in %v", n, time.Since(begin).Round(time.Millisecond))
	return early
}

// settled waits until all permanent policies have counted as many queries and replies as dnsperf.
func (a *admin) settled(want uint64) {
	counts := func() (out []string) {
		for _, at := range []struct{ policy, module string }{
			{"default", "default-wire-dns"}, {"refused", "refused-wire-dns"}, {"tapped", "tapped-names-dns"}, {"merged", "dns_merged"},
		} {
			var doc map[string]map[string]struct {
				DNS struct {
					Wire struct{ Queries, Replies uint64 } `json:"wire_packets"`
				} `json:"dns"`
			}
			_, body := a.do("GET", "/api/v1/policies/"+at.policy+"/metrics/window/5", "")
			require.NoError(a.t, json.Unmarshal([]byte(body), &doc))
			wire := doc[at.policy][at.module].DNS.Wire
			out = append(out, fmt.Sprintf("%s %d %d", at.policy, wire.Queries, wire.Replies))
		}
		var doc map[string]map[string]struct {
			DNS struct{ In struct{ Xacts uint64 } }
		}
		_, body := a.do("GET", "/api/v1/policies/second/metrics/window/5", "")
		require.NoError(a.t, json.Unmarshal([]byte(body), &doc))
		return append(out, fmt.Sprintf("second %d", doc["second"]["second-wire-dns"].DNS.In.Xacts))
	}
	var all []string
	for _, name := range []string{"default", "refused", "tapped", "merged"} {
		all = append(all, fmt.Sprintf("%s %d %d", name, want, want))
	}
	all = append(all, fmt.Sprintf("second %d", want))
	wait.Until(a.t, func() bool { return fmt.Sprint(counts()) == fmt.Sprint(all) }, func() string { return fmt.Sprintf("%v", counts()) })
	_, body := a.do("GET", "/api/v1/policies/default/metrics/window/5", "")
	require.Contains(a.t, body, `"os_drops":0`)
}

package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/slim/otlp/collector/metrics/v1"
	"google.golang.org/protobuf/proto"

	"visor/internal/buildtest"
	"visor/internal/certtest"
	"visor/internal/trafficgen"
	"visor/internal/wait"
)

// program is the program under test.
var program = buildtest.Program{Folder: "."}

func TestMain(m *testing.M) { os.Exit(buildtest.Main(m, &program)) }

// process is a running visord.
type process struct {
	t   testing.TB
	cmd *exec.Cmd
	url string

	mu    sync.Mutex
	log   bytes.Buffer
	ready chan string   // receives the address once visord listens
	over  chan struct{} // closed at the end of the log
}

var listening = regexp.MustCompile(`web server listening on (\S+)`)

// start starts visord on a free port. It returns when visord serves.
func start(t testing.TB, env []string, args ...string) *process {
	cmd := exec.Command(program.Path(t), append([]string{"-l", "127.0.0.1", "-p", "0"}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	return launch(t, cmd)
}

// launch starts a command that becomes visord. It returns when visord serves.
func launch(t testing.TB, cmd *exec.Cmd) *process {
	p := begin(t, cmd)
	p.serves()
	return p
}

// begin starts a command that becomes visord, now or later.
func begin(t testing.TB, cmd *exec.Cmd) *process {
	p := &process{t: t, cmd: cmd, ready: make(chan string, 1), over: make(chan struct{})}
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	p.cmd.Stderr = p.cmd.Stdout
	require.NoError(t, p.cmd.Start())
	go p.read(out)
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		if t.Failed() {
			t.Log(p.lines())
		}
	})
	return p
}

// serves waits until visord serves.
func (p *process) serves() {
	select {
	case address := <-p.ready:
		p.url = "http://" + address
	case <-p.over:
		p.t.Fatalf("visord did not start: %s", p.lines())
	case <-time.After(2 * time.Minute):
		p.t.Fatalf("visord does not serve: %s", p.lines())
	}
}

func (p *process) read(out io.Reader) {
	defer close(p.over)
	for s := bufio.NewScanner(out); s.Scan(); {
		p.mu.Lock()
		fmt.Fprintln(&p.log, s.Text())
		p.mu.Unlock()
		if m := listening.FindStringSubmatch(s.Text()); m != nil {
			p.ready <- m[1]
		}
	}
}

func (p *process) lines() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// logged waits until the log contains a text.
func (p *process) logged(want string) {
	wait.Until(p.t, func() bool { return strings.Contains(p.lines(), want) }, func() string { return want })
}

// get sends a request and returns the status and the body.
func (p *process) get(path string) (int, string) {
	resp, err := http.Get(p.url + path)
	require.NoError(p.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	return resp.StatusCode, string(body)
}

// end waits for the end of the process and returns the exit code.
func (p *process) end() int {
	<-p.over
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

// counted waits until a policy has counted a number of events.
func (p *process) counted(policy string, events int) {
	wait.Until(p.t, func() bool {
		_, body := p.get("/api/v1/policies/" + policy + "/metrics/window/3")
		return strings.Contains(body, fmt.Sprintf(`"events":%d`, events))
	})
}

func (p *process) policies() (names []string) {
	_, body := p.get("/api/v1/policies")
	var all map[string]any
	require.NoError(p.t, json.Unmarshal([]byte(body), &all))
	for name := range all {
		if !strings.HasSuffix(name, "-resources") {
			names = append(names, name)
		}
	}
	return names
}

func capture(t testing.TB) string {
	path := filepath.Join(t.TempDir(), "a.pcap")
	_, err := trafficgen.WriteFile(path, trafficgen.VariedDNS(1000))
	require.NoError(t, err)
	return path
}

// document returns a configuration with two policies on a mock and one on a recording.
func document(recording, second string) string {
	return fmt.Sprintf(`
visor:
  config: {periods: 3}
  taps:
    demo: {input_type: mock}
    file: {input_type: pcap, config: {pcap_file: %q}}
  policies:
    first: {kind: collection, input: {tap: demo, input_type: mock}, handlers: {modules: {net: {type: net}}}}
    %s: {kind: collection, input: {tap: demo, input_type: mock}, handlers: {modules: {dns: {type: dns}}}}
    recorded: {kind: collection, input: {tap: file, input_type: pcap}, handlers: {modules: {net: {type: net}, dns: {type: dns}}}}
`, recording, second)
}

// TestSignals checks that SIGHUP applies changes and rejects faults, and that SIGTERM ends the
// process in order.
func TestSignals(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skipped: no signals on this system")
	}
	recording := capture(t)
	path := configFile(t, document(recording, "second"))
	p := start(t, nil, "--config", path)
	require.ElementsMatch(t, []string{"first", "second", "recorded"}, p.policies())
	p.counted("recorded", 1000)

	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(document(recording, "third"), "periods: 3", "periods: 4", 1)), 0o600))
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
	p.logged("configuration reloaded from " + path)
	p.logged("visor.config.periods has changed: that needs a restart")
	require.ElementsMatch(t, []string{"first", "third", "recorded"}, p.policies())
	_, body := p.get("/api/v1/policies/recorded/metrics/window/3")
	require.Contains(t, body, `"events":1000`, "it was not touched")

	require.NoError(t, os.WriteFile(path, []byte("visor: {polices: {}}"), 0o600))
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
	p.logged("configuration is not reloaded error=\"no policies found in schema")
	require.Len(t, p.policies(), 3, "what was goes on")

	misspelt := strings.NewReplacer("policies:", "policeis:", "periods: 3", "perids: 4").Replace(document(recording, "third"))
	require.NoError(t, os.WriteFile(path, []byte(misspelt), 0o600))
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
	p.logged("did you mean 'policies'?")
	p.logged("visor.config has no key 'perids' (line 3, column 12); did you mean 'periods'?")
	p.logged("configuration is not reloaded error=\"all policies would end, because the section 'policies' is missing; 'policies: {}' ends them in config file: ")
	require.Len(t, p.policies(), 3)

	require.NoError(t, os.WriteFile(path, []byte("visor: {policies: {}}"), 0o600))
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
	wait.Until(t, func() bool { return len(p.policies()) == 0 })
	wait.Until(t, func() bool { return strings.Count(p.lines(), "visor.config.periods has changed") == 2 }, func() string { return "a key that is gone" })

	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, exitDone, p.end())
	require.Contains(t, p.lines(), "Shutting down")
	require.Contains(t, p.lines(), "exit with success")
}

// TestSignalWhileAsked checks that a question does not delay the end, and is answered.
func TestSignalWhileAsked(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skipped: no signals on this system")
	}
	p := start(t, nil, "--admin-api", "mock")
	answers := make(chan string, 1)
	go func() {
		resp, err := http.Post(p.url+"/api/v1/policies/default/ask", "application/json", strings.NewReader(`{"qname": "www.example.com", "for": "300s"}`))
		if err != nil {
			answers <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		answers <- fmt.Sprint(resp.StatusCode, " ", string(body), " ", err)
	}()
	p.logged("policy [drill-")
	wait.Until(t, func() bool { return len(p.policies()) == 2 })
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, `503 {"error":"the question was ended early: the program ends"} <nil>`, <-answers)
	require.Equal(t, exitDone, p.end())
}

// TestStartFails checks that a failed start prints the cause and exits with 1.
func TestStartFails(t *testing.T) {
	path := program.Path(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	require.NoError(t, err)
	empty := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(empty, []byte("\n"), 0o600))
	for want, args := range map[string][]string{
		"unable to bind to 127.0.0.1:" + port: {"--admin-api", "-l", "127.0.0.1", "-p", port},
		"nosuch0":                             {"nosuch0"},
		"not a MaxMind database":              {"--admin-api", "--geo-city", "main.go"},
		"/nonexistent":                        {"--admin-api", "--default-service-registry", "/nonexistent"},
		"holds no token":                      {"--admin-api", "--api-token-file", empty},
		"invalid TLS configuration":           {"--admin-api", "--tls", "--tls-cert", empty, "--tls-key", empty},
		"Log init failed":                     {"--admin-api", "--log-file", "/nonexistent/log"},
		"unknown user nosuchuser":             {"--admin-api", "-p", "0", "--user", "nosuchuser"},
	} {
		out, err := exec.Command(path, args...).CombinedOutput()
		exit, ok := errors.AsType[*exec.ExitError](err)
		require.True(t, ok, "%v: %s", args, out)
		require.Equal(t, exitFailed, exit.ExitCode(), "%v: %s", args, out)
		require.Contains(t, string(out), want)
	}
}

// TestDaemon checks that the background process has no terminal and keeps its log, and that the
// foreground process reports failures.
func TestDaemon(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skipped: no daemons on this system")
	}
	path := program.Path(t)
	dir := t.TempDir()
	cmd := exec.Command(path, "-d", "--admin-api", "-l", "127.0.0.1", "-p", "0", "--log-file", "visord.log")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Empty(t, out)
	log, err := os.ReadFile(filepath.Join(dir, "visord.log"))
	require.NoError(t, err)
	m := listening.FindSubmatch(log)
	require.NotNil(t, m, "it serves when the command returns")
	req, err := http.NewRequest("DELETE", "http://"+string(m[1])+"/api/v1/server", nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 200, resp.StatusCode)
	wait.Until(t, func() bool {
		log, err := os.ReadFile(filepath.Join(dir, "visord.log"))
		return err == nil && bytes.Contains(log, []byte("exit with success"))
	})

	for want, args := range map[string][]string{
		"nosuch0":          {"-d", "nosuch0"},
		"/nonexistent/log": {"-d", "--log-file", "/nonexistent/log", "mock"},
	} {
		out, err = exec.Command(path, args...).CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), want)
	}
}

// TestNotify checks that systemd is notified when visord serves and when it ends.
func TestNotify(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skipped: no systemd on this system")
	}
	socket := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	require.NoError(t, err)
	defer l.Close()
	said := func() string {
		b := make([]byte, 100)
		require.NoError(t, l.SetReadDeadline(time.Now().Add(2*time.Minute)))
		n, err := l.Read(b)
		require.NoError(t, err)
		return string(b[:n])
	}
	p := start(t, []string{"NOTIFY_SOCKET=" + socket}, "--admin-api")
	require.Equal(t, "READY=1", said())
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
	require.Equal(t, "RELOADING=1", said())
	require.Equal(t, "READY=1", said())
	require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	require.Equal(t, "STOPPING=1", said())
	require.Equal(t, exitDone, p.end())
}

// TestLogRotation checks that rotated log files are opened again.
func TestLogRotation(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skipped: no signals on this system")
	}
	path := filepath.Join(t.TempDir(), "log")
	sink, _, err := openLog(options{logFile: path}, nil, nil, nil)
	require.NoError(t, err)
	log := sink.logger(false)
	log.Debug("hidden")
	log.Info("REQUEST: GET /x", "status", 200)
	require.NoError(t, os.Rename(path, path+".1"))
	require.NoError(t, sink.reopen())
	log.With("input", "a b").Warn("late\nforged\x1b line", "n", 1)
	sink.close()
	former, err := os.ReadFile(path + ".1")
	require.NoError(t, err)
	require.Regexp(t, `^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\] \[visor\] \[info\] REQUEST: GET /x 200\n$`, string(former))
	now, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Regexp(t, `\[warning\] late \| forged\\x1b line input="a b" n=1\n$`, string(now))
}

// TestDropIn sends the requests of pktvisor's own clients, the terminal client and the agents of
// Orb, and checks the answers.
func TestDropIn(t *testing.T) {
	p := start(t, nil, "--admin-api", "--config", configFile(t, fmt.Sprintf(`
visor:
  taps: {default: {input_type: pcap, config: {pcap_file: %q}}}
  policies:
    default: {kind: collection, input: {tap: default, input_type: pcap}, handlers: {window_config: {num_periods: 3}, modules: {net: {type: net}, dns: {type: dns}, dhcp: {type: dhcp}, pcap_stats: {type: pcap}}}}
`, capture(t))))
	send := func(method, path, body string) (int, map[string]any) {
		req, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/x-yaml")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		var answer map[string]any
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer), "all bodies are JSON")
		return resp.StatusCode, answer
	}
	// The terminal client uses the major version, then window/5, and for a policy with fewer
	// periods the number in the error.
	_, app := send("GET", "/api/v1/metrics/app", "")
	require.Regexp(t, `^4\.`, app["app"].(map[string]any)["version"])
	status, refused := send("GET", "/api/v1/policies/default/metrics/window/5", "")
	require.Equal(t, 425, status)
	require.Equal(t, "invalid metrics period, specify [2, 3]", refused["error"])
	status, answer := send("GET", "/api/v1/policies/default/metrics/window/3", "")
	require.Equal(t, 200, status)
	handlers := answer["default"].(map[string]any)
	for name, schema := range map[string]string{"net": "packets", "dns": "dns", "dhcp": "dhcp", "pcap_stats": "pcap"} {
		require.Contains(t, handlers["default-default-"+name], schema)
	}
	// The agents of Orb use the capabilities, create a policy, scrape and delete it. They expect
	// the text of errors in the key "error".
	status, answer = send("GET", "/api/v1/taps", "")
	require.Equal(t, 200, status)
	require.Contains(t, answer, "default")
	const orb = "visor: {policies: {orb-1: {kind: collection, input: {tap: default, input_type: pcap}, handlers: {modules: {default_net: {type: net}}}}}}"
	status, answer = send("POST", "/api/v1/policies", orb)
	require.Equal(t, 201, status)
	require.Contains(t, answer, "orb-1")
	status, answer = send("POST", "/api/v1/policies", orb)
	require.Equal(t, 409, status)
	require.Equal(t, "policy with name 'orb-1' already defined", answer["error"])
	status, answer = send("GET", "/api/v1/policies/__all/metrics/bucket/0", "")
	require.Equal(t, 200, status)
	require.Contains(t, answer["orb-1"], "orb-1-default-default_net")
	status, answer = send("DELETE", "/api/v1/policies/orb-1", "")
	require.Equal(t, 200, status)
	require.Empty(t, answer)
}

// TestUser checks that visord drops the privileges of root.
func TestUser(t *testing.T) {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("skipped: needs root on Linux")
	}
	p := start(t, nil, "--admin-api", "--user", "nobody")
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	require.NoError(t, err)
	for _, want := range []string{`Uid:\t65534\t65534\t65534\t65534`, `Gid:\t65534\t65534\t65534\t65534`, `Groups:\t65534`, `CapEff:\t0000000000000000`} {
		require.Regexp(t, want, string(status))
	}
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, exitDone, p.end())
}

// TestSecure uses TLS with a client certificate and a token. Requests without them must fail.
func TestSecure(t *testing.T) {
	dir := t.TempDir()
	ca := certtest.Sign(t, "authority", nil)
	cert, key := certtest.Sign(t, "agent", ca).Write(t, dir)
	authority, token := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "token")
	require.NoError(t, os.WriteFile(authority, ca.CertPEM, 0o600))
	require.NoError(t, os.WriteFile(token, []byte("s3cret\n"), 0o600))
	p := start(t, nil, "--admin-api", "--tls", "--tls-cert", cert, "--tls-key", key, "--tls-client-ca", authority, "--api-token-file", token)
	roots := ca.Pool()
	ask := func(token string, certificates ...tls.Certificate) (int, error) {
		client := http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost", Certificates: certificates}}}
		defer client.CloseIdleConnections()
		req, err := http.NewRequest("GET", strings.Replace(p.url, "http:", "https:", 1)+"/api/v1/taps", nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		require.Equal(t, 2, resp.ProtoMajor)
		return resp.StatusCode, resp.Body.Close()
	}
	certificate := certtest.Sign(t, "client", ca).TLS()
	_, err := ask("s3cret")
	require.Error(t, err, "without a certificate")
	status, err := ask("wrong", certificate)
	require.NoError(t, err)
	require.Equal(t, 401, status)
	status, err = ask("s3cret", certificate)
	require.NoError(t, err)
	require.Equal(t, 200, status)
}

var fileEnded = regexp.MustCompile(`visor_input_running\{[^}]*tap="file"[^}]*\} 0`)

// TestPush checks that counts are pushed before the end, for existing policies and for a deleted
// one.
func TestPush(t *testing.T) {
	var mu sync.Mutex
	sums := make(map[string]int64) // packets per policy
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		msg := &collector.ExportMetricsServiceRequest{}
		if err != nil || r.URL.Path != "/otlp/v1" || proto.Unmarshal(body, msg) != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, sm := range msg.ResourceMetrics[0].ScopeMetrics {
			for _, m := range sm.Metrics {
				if m.Name == "packets_total" {
					sums[sm.Scope.Attributes[0].Value.GetStringValue()] += m.GetGauge().DataPoints[0].GetAsInt()
				}
			}
		}
	}))
	defer srv.Close()
	host, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	require.NoError(t, err)
	p := start(t, nil, "--admin-api", "--otel", "--otel-host", host, "--otel-port", port, "--otel-path", "/otlp/v1", "--config", configFile(t, document(capture(t), "second")))
	p.counted("recorded", 1000)
	wait.Until(t, func() bool { // from then on the file is opened again
		_, metrics := p.get("/metrics")
		return fileEnded.MatchString(metrics)
	})
	const passing = "visor: {policies: {passing: {kind: collection, input: {tap: file, input_type: pcap}, handlers: {modules: {net: {type: net}}}}}}"
	for _, method := range []string{"PUT", "DELETE"} {
		req, err := http.NewRequest(method, p.url+"/api/v1/policies/passing", strings.NewReader(passing))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/x-yaml")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 200, resp.StatusCode)
		if method == "PUT" {
			p.counted("passing", 1000)
		}
	}
	resp, err := http.Get(p.url + "/metrics")
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, errors.Join(err, resp.Body.Close()))
	require.Contains(t, string(text), `visor_push_requests_total{result="refused"} 0`)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, exitDone, p.end())
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, []int64{1000, 1000}, []int64{sums["recorded"], sums["passing"]})
}

// TestStdoutCloses closes the reader of the log. The agent must continue.
func TestStdoutCloses(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skipped: no such signal on this system")
	}
	cmd := exec.Command(program.Path(t), "-l", "127.0.0.1", "-p", "0", "--admin-api", "-v")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	p := &process{t: t, cmd: cmd}
	for s := bufio.NewScanner(out); p.url == "" && s.Scan(); {
		if m := listening.FindStringSubmatch(s.Text()); m != nil {
			p.url = "http://" + m[1]
		}
	}
	require.NoError(t, out.Close())
	for range 3 { // each request is logged
		status, _ := p.get("/api/v1/policies")
		require.Equal(t, 200, status)
	}
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.NoError(t, cmd.Wait())
}

// TestLogIsPrintable checks that characters which could control a terminal or change the direction
// of writing are escaped.
func TestLogIsPrintable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	sink, _, err := openLog(options{logFile: path}, nil, nil, nil)
	require.NoError(t, err)
	sink.logger(true).Warn("a\x1b[31mred\nb", "path", "/\u202egnp.exe", "mark", "\u2066x\u2069\u200f\ufeff", "name", "Zürich 東京")
	sink.close()
	written, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(written), `] a\x1b[31mred | b path=/\u202egnp.exe mark=\u2066x\u2069\u200f\ufeff name="Zürich 東京"`+"\n")
}

// TestServerErrors checks that failures to accept are logged once, and broken connections only at
// debug level.
func TestServerErrors(t *testing.T) {
	var log bytes.Buffer
	errs := serverErrors(slog.New(slog.NewTextHandler(&log, nil)))
	errs.Print("http: TLS handshake error from 192.0.2.1:5: EOF")
	for range 5 {
		errs.Print("http: Accept error: accept tcp 127.0.0.1:1: too many open files; retrying in 5ms")
	}
	require.Equal(t, 1, strings.Count(log.String(), "\n"), log.String())
	require.Contains(t, log.String(), "level=WARN msg=\"web server: http: Accept error")
}

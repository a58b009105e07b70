package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/internal/buildtest"
	"visor/internal/golden"
	"visor/internal/wait"
)

// Programs that the tests run.
var (
	program      = buildtest.Program{Folder: "."}
	agentProgram = buildtest.Program{Folder: "../visord"}
)

func TestMain(m *testing.M) { os.Exit(buildtest.Main(m, &program, &agentProgram)) }

// terminal is a tmux session that runs the program.
type terminal struct {
	t      testing.TB
	socket string
}

// inTerminal runs the program in a terminal of the given size.
func inTerminal(t testing.TB, width, height int, args ...string) *terminal {
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("skipped: there is no tmux")
	}
	path := program.Path(t)
	tt := &terminal{t, filepath.Join(t.TempDir(), "tmux")}
	command := append([]string{"-f", "/dev/null", "new-session", "-d", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height), "-e", "TZ=UTC", "-e", "LC_ALL=C.UTF-8", path}, args...)
	tt.tmux(append([]string{"-u"}, command...)...)
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", tt.socket, "kill-server").Run() })
	return tt
}

func (tt *terminal) tmux(args ...string) string {
	out, err := exec.Command("tmux", append([]string{"-S", tt.socket}, args...)...).CombinedOutput()
	require.NoError(tt.t, err, "%s", out)
	return string(out)
}

// keys presses keys one by one. A key directly after Escape would be combined with it.
func (tt *terminal) keys(names ...string) {
	for _, name := range names {
		tt.tmux("send-keys", name)
		time.Sleep(150 * time.Millisecond)
	}
}

// escape presses Escape and waits until a text has disappeared from the screen.
func (tt *terminal) escape(gone string) {
	tt.tmux("send-keys", "Escape")
	wait.Until(tt.t, func() bool { return !strings.Contains(tt.screen(), gone) })
}

func (tt *terminal) screen() string { return tt.tmux("capture-pane", "-p") }

// focus moves the focus to the panel with a title.
func (tt *terminal) focus(title string) {
	tt.t.Helper()
	for range 40 {
		if strings.Contains(tt.screen(), "━ "+title+" ") {
			return
		}
		tt.keys("Tab")
	}
	require.Fail(tt.t, "there is no such panel", "%s in\n%s", title, tt.screen())
}

// shows waits until the screen contains a text, and returns the screen.
func (tt *terminal) shows(want string) (screen string) {
	tt.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if screen = tt.screen(); strings.Contains(screen, want) {
			return screen
		}
	}
	require.Fail(tt.t, "the screen does not show it", "%q in\n%s", want, screen)
	return ""
}

// settled waits until the screen contains a text and no longer changes, that is, until its
// sparklines are full.
func (tt *terminal) settled(want string) string {
	tt.t.Helper()
	last, same := tt.shows(want), 0
	for same < 4 {
		time.Sleep(100 * time.Millisecond)
		now := tt.shows(want)
		if same++; now != last {
			last, same = now, 0
		}
	}
	return last
}

// agent returns recorded answers of an agent that watched knot under dnsperf (testdata). It stores
// the policies it receives.
type agent struct {
	*httptest.Server
	t testing.TB

	mu      sync.Mutex
	created []string // documents of created policies
	removed []string // paths of removed policies
	refuse  bool     // reject policies
	attack  bool     // there are findings
}

func newAgent(t testing.TB) *agent {
	a := &agent{t: t}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/metrics/app", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"app":{"version":"4.5.0+visor","up_time_min":1}}`)
	})
	mux.HandleFunc("GET /api/v1/policies", file("policies.json"))
	mux.HandleFunc("GET /api/v1/policies/default", file("policies.json"))
	mux.HandleFunc("GET /api/v1/policies/{policy}/metrics/bucket/{n}", a.metrics)
	mux.HandleFunc("GET /api/v1/policies/{policy}/metrics/window/{n}", a.metrics)
	mux.HandleFunc("GET /api/v1/findings", a.findings)
	mux.HandleFunc("POST /api/v1/policies", a.create)
	mux.HandleFunc("DELETE /api/v1/policies/{policy}", a.remove)
	a.Server = httptest.NewServer(mux)
	t.Cleanup(a.Close)
	return a
}

func file(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, filepath.Join("testdata", name)) }
}

// metrics returns the counts of a policy, or the counts of the policy default.
func (a *agent) metrics(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.URL.Path, "/")
	stem := filepath.Join("testdata", parts[len(parts)-2]+"-"+parts[len(parts)-1])
	b, err := os.ReadFile(stem + "-" + r.PathValue("policy") + ".json")
	if err != nil {
		b, err = os.ReadFile(stem + ".json")
	}
	if err != nil {
		w.WriteHeader(http.StatusTooEarly)
		fmt.Fprint(w, `{"error":"invalid metrics period, specify [2, 5]"}`)
		return
	}
	_, _ = w.Write([]byte(strings.Replace(string(b), `"default":`, fmt.Sprintf("%q:", r.PathValue("policy")), 1)))
}

// findings has none unless there is an attack; pktvisor's agents lack the path.
func (a *agent) findings(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	attack := a.attack
	a.mu.Unlock()
	if !attack {
		http.NotFound(w, r)
		return
	}
	file("findings.json")(w, r)
}

func (a *agent) create(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refuse {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	a.created = append(a.created, string(body))
	w.WriteHeader(http.StatusCreated)
	fmt.Fprint(w, "{}")
}

func (a *agent) remove(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.removed = append(a.removed, r.URL.Path)
	fmt.Fprint(w, "{}")
}

// changes returns the policies created and removed since the last call.
func (a *agent) changes() (created, removed []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	created, removed = a.created, a.removed
	a.created, a.removed = nil, nil
	return created, removed
}

func (a *agent) args() []string {
	u, err := url.Parse(a.URL)
	require.NoError(a.t, err)
	return []string{"-H", u.Hostname(), "-p", u.Port(), "--refresh", "50ms"}
}

// TestScreens compares each screen, in two sizes, with a golden file.
func TestScreens(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {160, 50}} {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			a := newAgent(t)
			tt := inTerminal(t, size[0], size[1], a.args()...)
			keep := func(name, want string) {
				t.Helper()
				golden.Equal(t, fmt.Sprintf("testdata/%dx%d-%s.txt", size[0], size[1], name), []byte(tt.settled(want)))
			}
			keep("start", "Top QName 2")
			tt.keys("?")
			keep("help", "any key goes back")
			tt.keys("x", "/", "example.org")
			keep("search", "/example.org█")
			tt.escape("/example.org█")
			tt.keys("s")
			keep("sorted", "Enter look behind")
			tt.keys("s", "p")
			keep("policies", "Policies")
			tt.escape("Policies")
			tt.keys("1")
			keep("live", "Enter look behind")
			tt.keys("Right", "Enter")
			keep("behind", "behind Top QName 3")
			tt.keys("Escape")
			tt.shows("Enter look behind")
			created, removed := a.changes()
			require.Len(t, created, 1)
			require.Len(t, removed, 1)
			a.CloseClientConnections()
			a.Close()
			tt.shows("no answer: ")
			require.Contains(t, tt.shows("numbers from 11:2"), "Top QName 2", "what was known stays")
			coloured := tt.tmux("capture-pane", "-p", "-e")
			require.Regexp(t, "\x1b\\[[0-9;]*2m[^\x1b]*Top QName 2", coloured, "and is dim")
			tt.keys("q")
			wait.Until(t, func() bool { return exec.Command("tmux", "-S", tt.socket, "has-session").Run() != nil })
		})
	}
}

// TestOtherPolicies checks that policies without packets and DNS get panels for their own metrics,
// and no zeros for others.
func TestOtherPolicies(t *testing.T) {
	for _, policy := range []string{"netprobe", "flow", "dhcp", "bgp"} {
		t.Run(policy, func(t *testing.T) {
			tt := inTerminal(t, 120, 30, append(newAgent(t).args(), "-P", policy)...)
			screen := tt.settled("━ ")
			golden.Equal(t, "testdata/120x30-"+policy+".txt", []byte(screen))
			require.NotContains(t, screen, "Pkts 0")
			require.NotContains(t, screen, "Top QName")
			require.NotContains(t, screen, "Xacts")
		})
	}
}

// TestStartScreen checks the help without an agent, and that the program continues when an agent
// answers.
func TestStartScreen(t *testing.T) {
	a := newAgent(t)
	args := a.args()
	a.Close()
	tt := inTerminal(t, 80, 24, args...)
	tt.shows("No agent answers at " + a.URL)
	screen := strings.ReplaceAll(tt.shows("visord -l ADDRESS eth0"), a.URL, "http://127.0.0.1:10853")
	screen = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(screen, "127.0.0.1:10853")
	golden.Equal(t, "testdata/80x24-nobody.txt", []byte(screen))
	tt.keys("?")
	tt.shows("any key goes back")
	tt.keys("x")

	l, err := net.Listen("tcp", strings.TrimPrefix(a.URL, "http://"))
	require.NoError(t, err)
	again := httptest.NewUnstartedServer(a.Config.Handler)
	again.Listener = l
	again.Start()
	defer again.Close()
	tt.shows("Top QName 2")
}

// TestResize checks that the screen is drawn again after the window was resized.
func TestResize(t *testing.T) {
	a := newAgent(t)
	tt := inTerminal(t, 160, 50, a.args()...)
	tt.shows("Top DNS UDP Ports")
	tt.tmux("resize-window", "-x", "80", "-y", "24")
	want, err := os.ReadFile("testdata/80x24-start.txt")
	require.NoError(t, err)
	wait.Until(t, func() bool { return tt.screen() == string(want) })
	tt.tmux("resize-window", "-x", "20", "-y", "6") // too small to be useful, but nothing may break
	tt.shows("visor-cli")
	tt.tmux("resize-window", "-x", "80", "-y", "24")
	wait.Until(t, func() bool { return tt.screen() == string(want) })
}

// TestNoAdmin checks the advice for an agent that rejects policies.
func TestNoAdmin(t *testing.T) {
	a := newAgent(t)
	a.refuse = true
	tt := inTerminal(t, 80, 24, a.args()...)
	tt.shows(".example.com")
	tt.keys("Enter")
	tt.shows("the agent takes no policies: it needs --admin-api")
}

// TestLookBehind checks that keys reach all panels, including those below the screen, and that a
// drill-down uses the right filter.
func TestLookBehind(t *testing.T) {
	a := newAgent(t)
	tt := inTerminal(t, 80, 24, a.args()...)
	tt.shows(".example.com")
	for title, want := range map[string]string{
		"Top QName 2":       `"only_qname_suffix":[".example.com"]`,
		"Top NX":            `"only_qname_suffix":["nosuch.example.com"]`,
		"Top QTypes":        `"only_qtype":["A"]`,
		"Top RCodes":        `"only_rcode":["NOERROR"]`,
		"IPv4":              `"filter":{"bpf":"host 10.53.0.1"}`,
		"IPv6":              `"filter":{"bpf":"host 2001:db8:53::1"}`,
		"Top DNS UDP Ports": `"filter":{"bpf":"udp port `,
	} {
		tt.focus(title)
		tt.keys("Enter")
		tt.shows("› behind " + title)
		created, _ := a.changes()
		require.Len(t, created, 1)
		require.Contains(t, created[0], want)
		require.Contains(t, created[0], `"lease_secs":15`)
		require.True(t, json.Valid([]byte(created[0])))
		tt.keys("Escape")
		tt.shows("Enter look behind")
	}
	tt.keys("Enter")
	tt.shows("› behind")
	tt.keys("C-c")
	wait.Until(t, func() bool {
		_, removed := a.changes()
		return len(removed) > 0
	}, func() string { return "it is removed at the end too" })
}

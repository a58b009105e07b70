package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/internal/wait"
)

// points returns the values of a series of the default policy, and its gaps.
func (p *process) points(query string) (values []any, gaps int) {
	status, body := p.get("/api/v1/policies/default/metrics/series?metric=packets.total&" + query)
	require.Equal(p.t, 200, status, body)
	var answer struct {
		Series []struct{ Points [][]any }
		Gaps   []any
	}
	require.NoError(p.t, json.Unmarshal([]byte(body), &answer))
	if len(answer.Series) > 0 {
		for _, point := range answer.Series[0].Points {
			values = append(values, point[1])
		}
	}
	return values, len(answer.Gaps)
}

// total returns the packets that the default policy has counted in the last hour, and distinct
// names of its DNS messages, or 0 without them.
func (p *process) total() (packets, names float64) {
	status, body := p.get("/api/v1/policies/default/history?from=-1h&metrics=packets.total,dns.cardinality.qname")
	require.Equal(p.t, 200, status, body)
	var answer struct {
		Metrics map[string]map[string]struct {
			Packets struct{ Total float64 }
			DNS     struct{ Cardinality struct{ QName float64 } }
		}
	}
	require.NoError(p.t, json.Unmarshal([]byte(body), &answer))
	for _, m := range answer.Metrics["default"] {
		packets += m.Packets.Total
		names += m.DNS.Cardinality.QName
	}
	return packets, names
}

// minutes returns the number of records of the shortest tier.
func (p *process) minutes() (n int) {
	_, body := p.get("/metrics")
	if _, rest, ok := strings.Cut(body, "visor_history_records{tier=\"minute\"} "); ok {
		_, _ = fmt.Sscan(rest, &n)
	}
	return n
}

func (p *process) terminate() {
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(p.t, exitDone, p.end())
}

// comparesWith matches the log of a policy that found earlier periods.
var comparesWith = regexp.MustCompile(`findings compare with [1-9]\d* earlier periods`)

// The history survives a restart: the answer has the periods before, the live one, and a gap.
func TestHistory(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skipped: no signals on this system")
	}
	dir := filepath.Join(t.TempDir(), "history")
	p := start(t, nil, "--history", dir, "--period", "1s", "mock")
	wait.Until(t, func() bool { return p.minutes() >= 3 })
	before, names := p.total()
	require.Positive(t, before)
	require.Positive(t, names)
	p.terminate()

	p = start(t, nil, "--history", dir, "--period", "1s", "mock")
	wait.Until(t, func() bool { return comparesWith.MatchString(p.lines()) })
	wait.Until(t, func() bool {
		packets, after := p.total()
		return packets > before && after >= names*0.9 // under the same key they merge
	})
	wait.Until(t, func() bool {
		values, gaps := p.points("from=-30m&step=1s")
		counted := 0
		for _, v := range values {
			if v != nil {
				counted++
			}
		}
		return counted >= 5 && gaps >= 1
	})
	second := start(t, nil, "--history", filepath.Join(t.TempDir(), "other"), "--period", "1s", "mock")
	packets, _ := second.total()
	require.Less(t, packets, before, "another directory is another history")
	p.terminate()
	info, err := os.Stat(filepath.Join(dir, historyFile))
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())
}

// A unit keeps a history below its state directory unless it is switched off. A process in the
// foreground keeps none.
func TestHistoryByDefault(t *testing.T) {
	state := t.TempDir()
	p := start(t, []string{"STATE_DIRECTORY=" + state}, "--admin-api")
	p.logged("history in " + filepath.Join(state, "history"))
	status, _ := p.get("/api/v1/policies/none/history")
	require.Equal(t, 404, status)
	require.FileExists(t, filepath.Join(state, "hash-key"))
	require.FileExists(t, filepath.Join(state, "history", historyFile))

	again := start(t, []string{"STATE_DIRECTORY=" + state}, "--admin-api")
	again.logged("no history is kept")
	require.Contains(t, again.lines(), "in use", "one process at a time has the file")

	for _, args := range [][]string{{"--admin-api", "--no-history"}, {"--admin-api"}} {
		env := []string{"STATE_DIRECTORY="}
		if len(args) > 1 {
			env = []string{"STATE_DIRECTORY=" + state}
		}
		p := start(t, env, args...)
		_, body := p.get("/api/v1/policies/default/history")
		require.Contains(t, body, "keeps no history")
	}
}

func TestHistoryOptions(t *testing.T) {
	var discard strings.Builder
	for want, args := range map[string][]string{
		"--history and --no-history exclude": {"--admin-api", "--history", "x", "--no-history"},
		"--history-limit 2X: must be bytes":  {"--admin-api", "--history-limit", "2X"},
	} {
		_, err := parseOptions(args, &discard)
		require.ErrorContains(t, err, want)
	}
	o, err := parseOptions([]string{"--config", configFile(t, "visor: {config: {admin_api: true, history: /x, history_limit: 1M}}")}, &discard)
	require.NoError(t, err)
	require.Equal(t, "/x", o.historyDirectory())
	t.Setenv("STATE_DIRECTORY", "")
	t.Setenv("XDG_STATE_HOME", "/state")
	o = options{daemon: true}
	if os.Geteuid() == 0 {
		require.Equal(t, "/var/lib/visor/history", o.historyDirectory())
	} else {
		require.Equal(t, "/state/visor/history", o.historyDirectory())
	}
	require.Empty(t, (&options{}).historyDirectory())
}

// Periods of another configuration are not in the baselines of findings, also after a way back.
func TestSetups(t *testing.T) {
	dir, at := t.TempDir(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, tt := range []struct {
		policy, setup string
		hours, since  int
	}{
		{"a", "x", 0, 0}, {"b", "x", 1, 1}, {"a", "x", 2, 0}, {"a", "y", 3, 3}, {"a", "x", 4, 4}, {"b", "x", 5, 1},
		{"a", "x", 2, 2}, // the clock was set back
	} {
		s, err := openSetups(dir)
		require.NoError(t, err)
		got, err := s.since(tt.policy, tt.setup, at.Add(time.Duration(tt.hours)*time.Hour))
		require.NoError(t, err)
		require.Equal(t, time.Duration(tt.since)*time.Hour, got.Sub(at), i)
	}
	for damaged, valid := range map[string]bool{"": false, "{": false, "[]": false, `{"b": 1}`: false, "null": true} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "setups.json"), []byte(damaged), 0o600))
		s, err := openSetups(dir)
		require.Equal(t, valid, err == nil, "%q %v", damaged, err)
		got, err := s.since("b", "x", at.Add(6*time.Hour))
		require.NoError(t, err)
		require.Equal(t, 6*time.Hour, got.Sub(at))
	}
}

// An agent that loses periods at its end, because they cannot be written, has failed.
func TestHistoryLost(t *testing.T) {
	cmd := exec.Command("sh", "-c", `ulimit -f 0; exec "$@"`, "sh", program.Path(t), "--period", "1s", "--history", t.TempDir(), "--port", "0", "mock")
	p := launch(t, cmd)
	p.logged("the history cannot be written")
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, exitFailed, p.end())
	require.Contains(t, p.lines(), "the history is incomplete: history: lost periods: ")
}

// A disk that cannot keep the key does not stop the agent; a key file with other contents does.
func TestHashKeyNotKept(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	p := start(t, []string{"STATE_DIRECTORY=" + missing}, "--admin-api", "--no-history")
	p.logged("the hash key cannot be kept")

	state := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(state, "hash-key"), []byte("not a key"), 0o600))
	cmd := exec.Command(program.Path(t), "--admin-api", "--no-history")
	cmd.Env = append(os.Environ(), "STATE_DIRECTORY="+state)
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "does not hold a key of 32 hexadecimal digits")
}

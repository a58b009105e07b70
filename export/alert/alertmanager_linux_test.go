package alert_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/export/alert"
	"visor/internal/wait"
)

// notified collects what an Alertmanager notifies its own receiver of, as "status subject".
type notified struct {
	mu   sync.Mutex
	seen []string
}

func (n *notified) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var body struct {
		Alerts []struct {
			Status string
			Labels map[string]string
		}
	}
	if json.NewDecoder(r.Body).Decode(&body) != nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range body.Alerts {
		n.seen = append(n.seen, a.Status+" "+a.Labels["subject"])
	}
}

func (n *notified) text() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.seen, ", ")
}

// manager is Debian's Alertmanager.
type manager struct {
	t       *testing.T
	address string
	dir     string
	cmd     *exec.Cmd
}

func newManager(t *testing.T, hook string) *manager {
	if testing.Short() {
		t.Skip("skipped: -short leaves out what needs other programs")
	}
	if _, err := exec.LookPath("prometheus-alertmanager"); err != nil {
		t.Skip("skipped: prometheus-alertmanager is not installed, see .ci/run tools")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	m := &manager{t: t, address: l.Addr().String(), dir: t.TempDir()}
	require.NoError(t, l.Close())
	config := `
route: {receiver: hook, group_by: [...], group_wait: 10ms, group_interval: 100ms}
receivers: [{name: hook, webhook_configs: [{url: "` + hook + `", send_resolved: true}]}]
`
	require.NoError(t, os.WriteFile(filepath.Join(m.dir, "am.yml"), []byte(config), 0o600))
	t.Cleanup(m.stop)
	return m
}

func (m *manager) start() {
	m.cmd = exec.Command("prometheus-alertmanager", "--config.file", filepath.Join(m.dir, "am.yml"), "--storage.path", filepath.Join(m.dir, "data"),
		"--web.listen-address", m.address, "--cluster.listen-address=")
	m.cmd.Stderr = io.Discard
	require.NoError(m.t, m.cmd.Start())
}

func (m *manager) stop() {
	if m.cmd != nil {
		_ = m.cmd.Process.Kill()
		_ = m.cmd.Wait()
		m.cmd = nil
	}
}

// active returns the subjects of the alerts that last.
func (m *manager) active() string {
	resp, err := http.Get("http://" + m.address + "/api/v2/alerts")
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	var list []struct{ Labels map[string]string }
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		return err.Error()
	}
	var out []string
	for _, a := range list {
		out = append(out, a.Labels["subject"])
	}
	return strings.Join(out, ", ")
}

// TestRealAlertmanager checks that Debian's Alertmanager shows an alert while it lasts, that it
// notifies once of its begin and its end, and that outages lose nothing.
func TestRealAlertmanager(t *testing.T) {
	var n notified
	hook := httptest.NewServer(&n)
	defer hook.Close()
	m := newManager(t, hook.URL)
	d, err := alert.New(alert.Config{
		CoolDown: -1, Backoff: 50 * time.Millisecond, Repeat: 500 * time.Millisecond,
		Receivers: map[string]alert.Receiver{"am": {Type: alert.Alertmanager, URL: "http://" + m.address}},
	})
	require.NoError(t, err)
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, d.Close(ctx))
	}()
	d.Add(finding("short.example", false))
	d.Add(finding("short.example", true))
	d.Add(finding("long.example", false))
	wait.Until(t, func() bool { return stats(d).Retries > 2 })
	m.start()
	wait.Until(t, func() bool {
		return strings.Contains(n.text(), "resolved short.example") && m.active() == "long.example"
	}, n.text, m.active)
	repeated := stats(d).Repeated
	// longer than it would last without repeats
	wait.Until(t, func() bool { return stats(d).Repeated > repeated+8 })
	require.Equal(t, "long.example", m.active())

	m.stop()
	retries := stats(d).Retries
	wait.Until(t, func() bool { return stats(d).Retries > retries+2 })
	m.start()
	wait.Until(t, func() bool { return m.active() == "long.example" }, m.active)
	d.Add(finding("long.example", true))
	wait.Until(t, func() bool { return m.active() == "" && strings.Contains(n.text(), "resolved long.example") }, n.text, m.active)
	require.EqualValues(t, 4, stats(d).Sent)
	for _, event := range []string{"firing short.example", "resolved short.example", "resolved long.example"} {
		require.Equal(t, 1, strings.Count(n.text(), event), n.text())
	}
}

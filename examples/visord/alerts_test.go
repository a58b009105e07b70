package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture/pcapfile"
	"visor/decode"
	"visor/export/alert"
	"visor/internal/packettest"
	"visor/internal/wait"
)

// attackFile writes a recording of an attack with random labels.
func attackFile(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "attack.pcap")
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	w, err := pcapfile.NewWriter(f, pcapfile.WriterConfig{Link: decode.LinkEthernet})
	require.NoError(t, err)
	for i := range 600 {
		at := time.Duration(i) * 100 * time.Millisecond
		client := fmt.Sprintf("10.0.%d.%d:5000", i%7, i%200)
		q := packettest.Query(uint16(i), fmt.Sprintf("%08x.example.com", uint32(i)*2654435761), 1)
		require.NoError(t, w.WriteFrame(packettest.UDP(at, client, "192.0.2.53:53", q)))
		require.NoError(t, w.WriteFrame(packettest.UDP(at+1e6, "192.0.2.53:53", client, packettest.Reply(q, 3, 0))))
	}
	require.NoError(t, w.Flush())
	return path
}

// withAlerts is a configuration with a webhook.
func withAlerts(hook, secret, silences, recording string) string {
	return fmt.Sprintf(`
visor:
  alerts:
    silences: {%s}
    receivers: {hook: {type: webhook, url: %q, secret_file: %q}}
  taps: {file: {input_type: pcap, config: {pcap_file: %q}}}
  policies:
    p:
      kind: collection
      input: {tap: file, input_type: pcap}
      handlers: {modules: {dns: {type: dns, metric_groups: {enable: [names_by_domain, top_clients]}}}}
`, silences, hook, secret, recording)
}

// hook is a webhook that checks signatures.
type hook struct {
	mu     sync.Mutex
	secret []byte
	got    []alert.Message
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var m alert.Message
	if err != nil || alert.Verify(h.secret, r.Header.Get(alert.SignatureHeader), body, time.Now(), time.Minute) != nil || json.Unmarshal(body, &m) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.got = append(h.got, m)
}

func (h *hook) messages() []alert.Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.got
}

func secretFile(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(path, []byte("0123456789abcdef"), 0o600))
	return path
}

// An attack fires once, with evidence, and is resolved when visord ends.
func TestAlerts(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skipped: no signals on this system")
	}
	h := &hook{secret: []byte("0123456789abcdef")}
	srv := httptest.NewServer(h)
	defer srv.Close()
	p := start(t, nil, "--config", configFile(t, withAlerts(srv.URL, secretFile(t), "", attackFile(t))))
	wait.Until(t, func() bool { return len(h.messages()) == 1 })
	wait.Until(t, func() bool { // the agent counts a message after the receiver has it
		_, text := p.get("/metrics")
		return strings.Contains(text, `visor_alert_messages_total{receiver="hook",result="sent"} 1`) && strings.Contains(text, "visor_alerts_open{} 1")
	})
	p.terminate()
	got := h.messages()
	require.Len(t, got, 2)
	require.Equal(t, [2]alert.Status{alert.Fired, alert.Resolved}, [2]alert.Status{got[0].Status, got[1].Status})
	require.Equal(t, got[0].Key, got[1].Key)
	require.Equal(t, "example.com", got[0].Labels["subject"])
	require.NotEmpty(t, got[0].Findings[0].Evidence.Examples)
	require.NotEmpty(t, got[0].Findings[0].Evidence.Lists)
	require.True(t, got[1].Findings[0].Ended)
}

// With a directory for state, an alert that lasts goes on after a restart.
func TestAlertsAcrossRestart(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skipped: no signals on this system")
	}
	h := &hook{secret: []byte("0123456789abcdef")}
	srv := httptest.NewServer(h)
	defer srv.Close()
	state, config := t.TempDir(), configFile(t, withAlerts(srv.URL, secretFile(t), "", attackFile(t)))
	for range 2 {
		p := start(t, nil, "--config", config, "--history", state)
		p.logged("finding: Random labels below example.com")
		wait.Until(t, func() bool { return len(h.messages()) > 0 })
		_, text := p.get("/metrics")
		require.Contains(t, text, "visor_alerts_open{} 1")
		p.terminate()
	}
	require.Len(t, h.messages(), 1, "it fired once, and lasts")
	info, err := os.Stat(filepath.Join(state, "alerts.json"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

// A receiver that does not answer holds up the end for a bounded time.
func TestAlertsAtEnd(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skipped: no signals on this system")
	}
	p := start(t, nil, "--config", configFile(t, withAlerts("http://127.0.0.1:9/", secretFile(t), "", attackFile(t))))
	p.logged("receiver does not accept alerts, trying again")
	begin := time.Now()
	p.terminate()
	require.Less(t, time.Since(begin), time.Minute)
	require.Contains(t, p.lines(), "alert: lost at the end: 2 messages for hook")
}

// SIGHUP applies silences. Other receivers need a restart.
func TestAlertsReload(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skipped: no signals on this system")
	}
	h := &hook{secret: []byte("0123456789abcdef")}
	srv := httptest.NewServer(h)
	defer srv.Close()
	secret, recording := secretFile(t), attackFile(t)
	path := configFile(t, withAlerts(srv.URL, secret, `all: {subject: "example.*"}`, recording))
	p := start(t, nil, "--config", path)
	p.logged("finding: Random labels below example.com")
	require.Empty(t, h.messages())
	require.NoError(t, os.WriteFile(path, []byte(withAlerts(srv.URL, secret, "", recording)), 0o600))
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
	wait.Until(t, func() bool { return len(h.messages()) == 1 })
	require.NotContains(t, p.lines(), "that needs a restart")
	require.NoError(t, os.WriteFile(path, []byte(withAlerts("http://other.example", secret, "", recording)), 0o600))
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
	p.logged("visor.alerts has changed receivers or group_by: that needs a restart")
}

// Faults of the section end visord with its position.
func TestAlertsFail(t *testing.T) {
	for old, tt := range map[string]struct{ new, want string }{
		"webhook":     {"mail", `type has no value "mail". Its values are: webhook, alertmanager (line 5`},
		"secret_file": {"secret", "(line 5"},
	} {
		doc := strings.Replace(withAlerts("http://x", "/s", "", "f"), old, tt.new, 1)
		var out strings.Builder
		require.Equal(t, exitMisuse, run(t.Context(), []string{"--check", configFile(t, doc)}, &out, &out))
		require.Contains(t, out.String(), tt.want)
	}
}

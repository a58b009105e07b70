package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/internal/netns"
	"visor/internal/wait"
)

// TestNSActivation uses a socket that systemd opens for a group, as in visord-dnstap.socket. visord
// runs without any privileges. Each DNS server, as its own user in that group, starts visord, and
// all its messages are counted.
func TestNSActivation(t *testing.T) {
	netns.Inside(t)
	netns.IP(t, "link", "set", "lo", "up")
	for _, program := range []string{"systemd-socket-activate", "setpriv"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("skipped: the command %s is missing", program)
		}
	}
	const group = 4253 // a number that no group of the system has
	for _, server := range netns.Servers() {
		t.Run(server.Name, func(t *testing.T) {
			server.Skip(t)
			dir, err := os.MkdirTemp("", "visor-activation-")
			require.NoError(t, err)
			defer os.RemoveAll(dir)
			require.NoError(t, os.Chmod(dir, 0o755))
			socket, config := filepath.Join(dir, "dnstap.sock"), filepath.Join(dir, "visord.yaml")
			require.NoError(t, os.WriteFile(config, []byte(`
visor:
  taps: {resolver: {input_type: dnstap, config: {socket: `+socket+`}}}
  policies: {names: {kind: collection, input: {tap: resolver, input_type: dnstap}, handlers: {modules: {dns: {type: dns}}}}}
`), 0o644))
			p := begin(t, exec.Command("systemd-socket-activate", "-l", socket, "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
				"--inh-caps=-all", "--bounding-set=-all", program.Path(t), "-l", "127.0.0.1", "-p", "0", "--admin-api", "--config", config))
			wait.Until(t, func() bool { // systemd does this for SocketGroup and SocketMode
				return os.Chown(socket, 0, group) == nil && os.Chmod(socket, 0o660) == nil
			})
			server.Start(t, netns.Place{Address: "127.0.0.1", Socket: socket, Group: strconv.Itoa(group)})
			p.serves()
			sent, completed := netns.Perform(t, "127.0.0.1", 300, 300)()
			p.counted("names", int(sent+completed))
		})
	}
}

// TestUnits lets systemd verify the units.
func TestUnits(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("skipped: there is no systemd-analyze command")
	}
	dir := t.TempDir()
	var units []string
	for _, name := range []string{"visord.service", "visord-dnstap.socket"} {
		unit, err := os.ReadFile(name)
		require.NoError(t, err)
		// visord is not installed here
		unit = bytes.ReplaceAll(unit, []byte("/usr/local/bin/visord"), []byte("/bin/true"))
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, unit, 0o644))
		units = append(units, path)
	}
	out, err := exec.Command("systemd-analyze", append([]string{"verify", "--man=no"}, units...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NotContains(t, string(out), dir+"/visord", "%s", out)
}

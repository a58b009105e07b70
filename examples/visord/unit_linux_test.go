package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestUnitIsHardened checks the sandbox of the unit.
func TestUnitIsHardened(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("skipped: there is no systemd-analyze (Debian: systemd)")
	}
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=20", "visord.service").CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// TestFileCapability checks that the program uses a capability that its file only permits. Where
// the capability is forbidden, the error names it.
func TestFileCapability(t *testing.T) {
	for _, name := range []string{"setcap", "setpriv"} {
		if _, err := exec.LookPath(name); err != nil || os.Getuid() != 0 {
			t.Skipf("skipped: it needs root and %s", name)
		}
	}
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		require.NoError(t, os.Chmod(d, 0o755)) // an unprivileged user must be able to enter
	}
	file := filepath.Join(dir, "visord")
	data, err := os.ReadFile(program.Path(t))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, data, 0o755))
	if out, err := exec.Command("setcap", "cap_net_raw+p", file).CombinedOutput(); err != nil {
		t.Skipf("skipped: files here have no capabilities: %s", out)
	}
	nobody := []string{"--reuid=65534", "--regid=65534", "--clear-groups"}
	fails := func(more ...string) string {
		// the program ends because it cannot bind
		args := append(append(nobody, more...), file, "-l", "203.0.113.1", "-p", "0", "lo")
		out, err := exec.Command("setpriv", args...).CombinedOutput()
		require.Error(t, err)
		return string(out)
	}
	require.Contains(t, fails(), "unable to bind to 203.0.113.1", "the interface is open")
	require.Contains(t, fails("--bounding-set=-all"), "capturing needs root or the capability CAP_NET_RAW (setcap cap_net_raw+ep PROGRAM; in a container --cap-add=NET_RAW)")
}

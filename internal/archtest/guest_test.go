package archtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGuest builds and runs a copy of examples/customhandler as a module: what a program
// outside this module needs is public.
func TestGuest(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped by -short: it builds a module")
	}
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join(root, "examples/customhandler"))))
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	text := strings.Replace(string(mod), "module visor\n", "module guest\n", 1) +
		"\nrequire visor v0.0.0\nreplace visor => " + root + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(text), 0o600))
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o600))

	run := func(args ...string) string {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "CGO_ENABLED=0", "GOPROXY=off")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	run("vet", ".")
	out := run("run", ".")
	require.Contains(t, out, `icmp_top_unreachable{tap="made",target="192.0.2.9"} 100`)
	require.Contains(t, out, `"top_types":[{"estimate":1000,"name":"echo request"}`)
}

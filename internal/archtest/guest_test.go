package archtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// addition is lines that a change of the guest needs in one place.
type addition struct{ what, file, after, lines string }

// additions hold what it takes to add to the guest: a metric is declared in one line and counted in
// one; an option is one line and its use; an analyzer is a file, and one place before policies may
// name it.
var additions = []addition{
	{"a metric is declared", "icmp.go", "type Metrics struct {", "Bytes sketch.Counter `metric:\"bytes\" help:\"bytes of ICMP packets\"`"},
	{"a metric is counted", "icmp.go", "s.Live.Messages.Add(1)", "s.Live.Bytes.Add(uint64(p.WireLen))"},
	{"an option is declared", "icmp.go", "handler.Settings\n", "OnlyV4 bool `policy:\"only_v4\" help:\"ignores ICMPv6\"`"},
	{"an option is used", "icmp.go", "case name == \"\":", "case s.cfg.OnlyV4 && p.Layers.Has(decode.LayerICMPv6):"},
	{"an analyzer has a type, and inputs", "main.go", "// the inputs of its policies", `t.Add(policy.Declare("arp", "1.0", func(s handler.Settings, _ policy.Env) (handler.Handler, error) { return NewARP(s) }), "pings")`},
	{"a policy names the analyzer", "main.go", "modules:\n", "          arp: {type: arp}"},
	{"a policy sets the option", "main.go", "only_errors: false, ", "only_v4: true, "},
}

// add inserts the lines behind the only place with the text after, or within its line.
func (a addition) add(t *testing.T, dir string) {
	path := filepath.Join(dir, a.file)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(text), a.after), a.what)
	require.NotContains(t, a.lines, "\n", "%s in one line", a.what)
	lines := a.lines
	switch {
	case strings.HasSuffix(a.after, "\n"):
		lines += "\n"
	case !strings.HasSuffix(a.after, " ") && !strings.HasPrefix(lines, ", "):
		lines = "\n" + lines
	}
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(text), a.after, a.after+lines, 1)), 0o600))
}

// TestGuest builds and runs a copy of examples/customhandler as a module: what a program
// outside this module needs is public. It also adds a metric, an option and an analyzer to it, and
// a source has two places: its own file and the catalog.
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
	for _, a := range additions {
		a.add(t, dir)
	}
	arp, err := os.ReadFile("testdata/guest/arp.go")
	require.NoError(t, err)
	require.LessOrEqual(t, strings.Count(string(arp), "\n"), 40, "lines of an analyzer")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "arp.go"), arp, 0o600))
	run("vet", ".")
	out := run("run", ".")
	for _, want := range []string{`icmp_bytes{tap="made"} 33600`, `"bytes":33600`, `arp_frames{tap="made"} 0`} {
		require.Contains(t, out, want, "an addition is not in the output")
	}
	require.Contains(t, out, `icmp_top_unreachable{tap="made",target="192.0.2.9"} 100`)
	main, err := os.ReadFile(filepath.Join(dir, "main.go"))
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(main), "policy.DeclareInput("), "the source's place in the catalog")
	require.Contains(t, out, `"top_types":[{"estimate":1000,"name":"echo request"}`)
}

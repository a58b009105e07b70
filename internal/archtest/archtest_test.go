// Package archtest checks the project's imports, README.md and the English of comments.
package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// rows are the layers of the library, from the top down. A package imports packages in lower rows,
// or its parents.
var rows = [][]string{
	{"examples/*", "benchmarks"},
	{"export/httpapi", "export/dashboard", "export/fleet"},
	{"handler/policy/builtin"},
	{"handler/policy", "export/rssac002", "export/prom/collector", "export/alert"},
	{"handler/*", "export", "export/*"},
	{"handler", "handler/handlertest"},
	{"handler/metric"},
	{"capture", "capture/*", "sketch", "window", "geo", "handler/anonymize"},
	{"decode", "decode/*", "capture/filter/cbpf"},
	{"internal/atomicfile", "internal/flowtable", "internal/decompress", "internal/tlsfiles", "internal/wire"},
	{"sketch/hash64", "handler/options"},
	{"internal/renewed", "internal/notices", "internal/jsonschema", "internal/retryafter"},
}

// forTests are packages that only tests import, and their helpers.
var forTests = []string{
	"internal/archtest", "internal/buildtest", "internal/certtest", "internal/compat", "internal/cputime", "internal/golden", "internal/mangle", "internal/mmdbtest", "internal/packettest",
	"internal/sharedtest", "internal/netns", "internal/otlptest", "internal/pgtest", "internal/promtest", "internal/racetest", "internal/schematest", "internal/wait", "internal/attack", "internal/attack/*", "internal/difftest", "internal/leaktest", "internal/trafficgen", "internal/trafficgen/*", "handler/handlertest", "capture/sourcetest",
}

// doors are the only packages, except tests, that import a dependency: a program that does not
// import the door does not link it.
var doors = map[string][]string{
	"github.com/google/gopacket":            {"capture/gopkt"},
	"github.com/oschwald/maxminddb-golang":  {"geo"},
	"github.com/klauspost/compress":         {"internal/decompress", "export/httpapi", "export/history", "examples/visor-reader"},
	"golang.org/x/net/publicsuffix":         {"decode/dnsmsg/suffix"},
	"golang.org/x/sys":                      {"capture/*", "capture", "internal/cputime"},
	"golang.org/x/net/bpf":                  {"capture/*", "capture"},
	"golang.org/x/net/idna":                 {"export"},
	"golang.org/x/text/width":               {"export"},
	"golang.org/x/net/icmp":                 {"capture/probe"},
	"golang.org/x/net/ipv4":                 {"capture/probe"},
	"golang.org/x/net/ipv6":                 {"capture/probe"},
	"github.com/spf13/pflag":                {"examples/*"},
	"golang.org/x/term":                     {"examples/*"},
	"github.com/stretchr/testify":           forTests,
	"github.com/santhosh-tekuri/jsonschema": {"internal/schematest"},
	"go.yaml.in/yaml":                       {"handler/policy", "export/prom/collector"},
	"github.com/segmentio/go-hll":           {"sketch"},
	"github.com/prometheus/client_golang":   {"export/prom/collector"},
	"github.com/dnstap/golang-dnstap":       {"capture/dnstap/mirror"},
	"github.com/prometheus/client_model":    {"export/prom/protobuf", "export/prom/collector"},
	"google.golang.org/protobuf":            {"export/otlp", "export/prom/protobuf", "export/prom/collector", "internal/otlptest"},
	"go.opentelemetry.io/proto":             {"export/otlp", "internal/otlptest"},
	"connectrpc.com/connect":                {"export/otlp"},
	"github.com/influxdata/tdigest":         {"sketch"},
	"go.etcd.io/bbolt":                      {"export/history"},
}

type pkg struct {
	ImportPath, Doc string
	Imports         []string
	Standard        bool
}

// listed returns the module's packages with their imports, without tests. Each run of the go
// command takes longer than the tests that read the list.
var listed = sync.OnceValues(func() (out []pkg, err error) {
	raw, err := exec.Command("go", "list", "-json=ImportPath,Doc,Imports,Standard", "visor/...").Output()
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	for {
		var p pkg
		switch err := dec.Decode(&p); {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, err
		}
		out = append(out, p)
	}
})

func packages(t *testing.T) []pkg {
	all, err := listed()
	require.NoError(t, err)
	return all
}

// in reports whether path is one of patterns, or below one that ends with a star.
func in(path string, patterns []string) bool {
	for _, p := range patterns {
		if parent, ok := strings.CutSuffix(p, "*"); path == p || ok && strings.HasPrefix(path, parent) {
			return true
		}
	}
	return false
}

// row returns the row of a package; an exact name takes precedence over a pattern. It returns -1
// for an unlisted package.
func row(path string) int {
	found := -1
	for i, patterns := range rows {
		for _, p := range patterns {
			if p == path {
				return i
			}
		}
		if found < 0 && in(path, patterns) {
			found = i
		}
	}
	return found
}

func TestImports(t *testing.T) {
	all := packages(t)
	require.Greater(t, len(all), 20)
	for _, p := range all {
		from := strings.TrimPrefix(p.ImportPath, "visor/")
		for _, imp := range p.Imports {
			to, ours := strings.CutPrefix(imp, "visor/")
			if !ours || in(from, forTests) {
				continue
			}
			if from == "visor" {
				t.Errorf("the tour imports %s", imp)
				continue
			}
			if in(to, forTests) && from != "benchmarks" {
				t.Errorf("%s imports %s, which is for tests", from, to)
				continue
			}
			require.GreaterOrEqual(t, row(from), 0, "%s is in no row", from)
			if row(to) <= row(from) && !strings.HasPrefix(from, to+"/") {
				t.Errorf("%s imports %s, which is not below it", from, to)
			}
		}
	}
}

func TestDoors(t *testing.T) {
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, "visor/")
		for _, imp := range p.Imports {
			if strings.HasPrefix(imp, "visor/") || !strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") {
				continue // a package of the module or of the standard library
			}
			known := false
			for dependency, door := range doors {
				if imp == dependency || strings.HasPrefix(imp, dependency+"/") {
					known = true
					if !in(from, door) {
						t.Errorf("%s imports %s; its door is %v", from, imp, door)
					}
				}
			}
			if !known {
				t.Errorf("%s imports %s, which has no door", from, imp)
			}
		}
	}
}

func TestRow(t *testing.T) {
	require.Equal(t, 3, row("handler/policy"), "a name before a pattern")
	require.Equal(t, 4, row("handler/dns"))
	require.Equal(t, 4, row("export/prom"))
	require.Equal(t, 8, row("decode/dnsmsg/suffix"))
	require.Equal(t, -1, row("util"))
}

// Reading and checking documents links no source. It links the analyzer that measures inputs, and
// package flow for the names of ports.
func TestPolicyLinks(t *testing.T) {
	for _, dep := range deps(t, "visor/handler/policy") {
		linked := strings.HasPrefix(dep, "visor/capture/") ||
			strings.HasPrefix(dep, "visor/handler/") && !in(strings.TrimPrefix(dep, "visor/handler/"), []string{"metric", "options", "policy", "resources", "anonymize", "flow"})
		require.False(t, linked, "handler/policy links %s", dep)
	}
}

// deps returns the packages that a program with a package links.
func deps(t *testing.T, path string) []string {
	cmd := exec.Command("go", "list", "-deps", path)
	cmd.Dir = "../.."
	raw, err := cmd.Output()
	require.NoError(t, err)
	return strings.Fields(string(raw))
}

// topLevel are the directories of the module. The set is closed: visitors find their way by it.
var topLevel = []string{"capture", "decode", "sketch", "window", "handler", "geo", "export", "examples", "internal", "benchmarks"}

func TestTopLevel(t *testing.T) {
	for _, p := range packages(t) {
		if rest, ok := strings.CutPrefix(p.ImportPath, "visor/"); ok {
			dir, _, _ := strings.Cut(rest, "/")
			require.Contains(t, topLevel, dir, "package %s", p.ImportPath)
		}
	}
}

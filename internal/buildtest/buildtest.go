// Package buildtest builds programs that tests run as processes.
//
//	var program = buildtest.Program{Folder: "."}
//
//	func TestMain(m *testing.M) { os.Exit(buildtest.Main(m, &program)) }
package buildtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Program is the main package in a folder.
type Program struct {
	Folder string

	mu   sync.Mutex
	path string // "" before it is built
}

// Path returns the path of the program. The first call builds it, without cgo and without a
// version. It skips the test in -short mode.
func (p *Program) Path(t testing.TB) string {
	if testing.Short() {
		t.Skip("skipped: -short leaves out building and running programs")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.path != "" {
		return p.path
	}
	dir, err := os.MkdirTemp("", "visor-program")
	require.NoError(t, err)
	path := filepath.Join(dir, "program")
	cmd := exec.Command("go", "build", "-C", p.Folder, "-buildvcs=false", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	p.path = path
	return path
}

// Main runs the tests, and removes the programs. It returns the exit code.
func Main(m *testing.M, programs ...*Program) int {
	defer func() {
		for _, p := range programs {
			if p.path != "" {
				_ = os.RemoveAll(filepath.Dir(p.path))
			}
		}
	}()
	return m.Run()
}

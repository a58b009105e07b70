// Package sharedtest finds test material outside the project on its developers' machines: real
// captures with ground truth, and pktvisor's answers. Tests that need it are skipped elsewhere.
package sharedtest

import (
	"os"
	"path/filepath"
	"testing"
)

// Dir returns the path of elem below the folder "shared" beside the module. It skips the test with
// a message if the folder is missing, and in -short mode.
func Dir(tb testing.TB, elem ...string) string {
	tb.Helper()
	if testing.Short() {
		tb.Skip("skipped: -short leaves out what needs the folder shared")
	}
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			tb.Fatal("no go.mod above the test's folder")
		}
	}
	path := filepath.Join(append([]string{filepath.Dir(dir), "shared"}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		tb.Skipf("skipped: %s is not on this machine", path)
	}
	return path
}

// Package golden compares a test's output with a file of the expected output. The flag -update
// rewrites the file:
//
//	golden.Equal(t, "testdata/nxdomain.json", got) // go test ./export -update
package golden

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// update is registered only by tests that import this package.
var update = flag.Bool("update", false, "rewrite golden files")

// Updating reports whether the flag -update is set. A test whose expected output is made by another
// program runs that program then.
func Updating() bool { return *update }

// Equal fails the test if got differs from the file at path.
func Equal(t testing.TB, path string, got []byte) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run the test with -update to make it")
	if !bytes.Equal(want, got) {
		t.Fatalf("%s differs; run the test with -update if this is right:\n%s", path, diff(string(want), string(got)))
	}
}

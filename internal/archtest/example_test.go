package archtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// withoutExample lists packages without an Example, and the reason.
var withoutExample = map[string]string{
	"capture/sourcetest":  "needs a *testing.T, which an Example lacks",
	"handler/handlertest": "needs a *testing.T, which an Example lacks",
}

// TestExamples: each public package has an Example, which go doc shows and go test compiles.
func TestExamples(t *testing.T) {
	for _, dir := range publicPackages(t) {
		path := strings.TrimPrefix(strings.TrimPrefix(dir, "../.."), "/")
		found := false
		tests, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		require.NoError(t, err)
		for _, file := range tests {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			found = found || strings.Contains(string(text), "\nfunc Example")
		}
		if _, excused := withoutExample[path]; found == excused {
			t.Errorf("package %s: an Example is there: %v; it has a reason to lack one: %v", path, found, excused)
		}
	}
}

package compat_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// reasonTable lists where and why visor differs from other programs. An unused entry is an error:
// the table must not outlive its reasons.
type reasonTable struct {
	path string
	why  map[string]string
	used map[string]bool
}

// differences reads a table: a key, a tab and a reason on each line; lines that start with # are
// comments.
func differences(t *testing.T, path string) *reasonTable {
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	r := &reasonTable{path: path, why: make(map[string]string), used: make(map[string]bool)}
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		key, why, ok := strings.Cut(line, "\t")
		require.True(t, ok && why != "", "%s: no reason in line %q", path, line)
		r.why[key] = why
	}
	return r
}

// use returns the reason why key may differ, or "", and notes whether it was needed.
func (r *reasonTable) use(key string, differs bool) string {
	why := r.why[key]
	if why != "" && differs {
		r.used[key] = true
	}
	return why
}

func (r *reasonTable) requireAllUsed(t *testing.T) {
	for key := range r.why {
		if !r.used[key] {
			t.Errorf("%s: %q does not differ any more: remove it", r.path, key)
		}
	}
}

package archtest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReaderLinks checks that visor-reader links no HTTP client and no TLS, which it does not need:
// they are a fifth of a program. builtin.Recordings leaves them out. A program has the names of its
// functions even without a symbol table.
func TestReaderLinks(t *testing.T) {
	skipBuild(t)
	for dir, links := range map[string]bool{"visor-reader": false, "visord": true} {
		program := filepath.Join(t.TempDir(), dir)
		out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", program, "visor/examples/"+dir).CombinedOutput()
		require.NoError(t, err, "%s", out)
		data, err := os.ReadFile(program)
		require.NoError(t, err)
		for _, name := range []string{"net/http.(*Client).do", "crypto/tls.(*Conn).serverHandshake"} {
			require.Equal(t, links, bytes.Contains(data, []byte(name)), "%s in %s", name, dir)
		}
	}
}

package atomicfile_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/internal/atomicfile"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	for _, want := range []string{"first", "second"} {
		require.NoError(t, atomicfile.Write(path, []byte(want)))
		have, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, want, string(have))
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		require.EqualValues(t, 0o600, info.Mode().Perm())
	}
	missing := filepath.Join(dir, "missing", "state")
	err = atomicfile.Write(missing, nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "open "+missing+": ", "not the temporary file")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder"), 0o700))
	require.Error(t, atomicfile.Write(filepath.Join(dir, "folder"), nil))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 2, "an error leaves no file behind")
}

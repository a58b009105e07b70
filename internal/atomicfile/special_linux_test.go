package atomicfile_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/internal/atomicfile"
)

// TestWriteKeepsLinksAndPipes checks that no file takes the place of a link or a pipe: root
// would lose /dev/null.
func TestWriteKeepsLinksAndPipes(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	end, err := os.OpenFile(pipe, os.O_RDWR, 0) // waits for no other end
	require.NoError(t, err)
	defer end.Close()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	require.NoError(t, os.WriteFile(target, []byte("before"), 0o600))
	require.NoError(t, os.Symlink(target, link))

	for path, kind := range map[string]fs.FileMode{pipe: fs.ModeNamedPipe, link: fs.ModeSymlink} {
		require.NoError(t, atomicfile.Write(path, []byte("data")))
		info, err := os.Lstat(path)
		require.NoError(t, err)
		require.Equal(t, kind, info.Mode().Type(), path)
	}
	got := make([]byte, 4)
	_, err = end.Read(got)
	require.NoError(t, err)
	require.Equal(t, "data", string(got))
	got, err = os.ReadFile(target)
	require.NoError(t, err)
	require.Equal(t, "data", string(got))
}

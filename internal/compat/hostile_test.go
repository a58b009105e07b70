package compat_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/pcapfile"
	"visor/internal/sharedtest"
)

// TestHostile reads captures that were made to break readers, mapped and as streams. None crashes
// or hangs visor. None makes it allocate more than a busy link would, whatever lengths and counts
// it claims.
func TestHostile(t *testing.T) {
	const most = 64 << 20
	files := 0
	for _, dir := range []string{sharedtest.Dir(t, "corpus", "hostile"), sharedtest.Dir(t, "corpus", "extra", "hostile")} {
		require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			files++
			require.Less(t, allocated(func() { observe(t, path) }), uint64(most), path)
			require.Less(t, allocated(func() { readStream(t, path) }), uint64(most), path)
			return nil
		}))
	}
	require.Greater(t, files, 100)
	t.Logf("%d captures", files)
}

// allocated returns the bytes that f allocates, released or not.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// readStream reads a capture as from a pipe.
func readStream(t *testing.T, path string) {
	file, err := os.Open(path)
	require.NoError(t, err)
	src, err := pcapfile.NewReader(file, path)
	if err != nil {
		require.NoError(t, file.Close())
		return
	}
	var b capture.Batch
	for err == nil {
		err = src.ReadBatch(&b)
	}
	require.NoError(t, src.Close())
}

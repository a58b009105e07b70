package hash64_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/sketch/hash64"
)

func TestKeepKey(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "hash-key")
	_, err := hash64.ReadKey(path)
	require.ErrorIs(t, err, os.ErrNotExist)
	keys := make([]hash64.Key, 8)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() { keys[i], _ = hash64.KeepKey(path) })
	}
	wg.Wait()
	for _, k := range keys {
		require.NotZero(t, k)
		require.Equal(t, keys[0], k)
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)
	require.NoError(t, os.WriteFile(path, []byte("secret"), 0o600))
	_, err = hash64.KeepKey(path)
	require.ErrorContains(t, err, "32 hexadecimal digits")
	require.NotContains(t, err.Error(), "secret")
}

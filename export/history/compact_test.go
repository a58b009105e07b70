package history_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/export/history"
	"visor/handler"
	"visor/internal/wait"
)

// movedTo returns a period as if it had begun at another time.
func movedTo(s *handler.Snapshot, start time.Time) *handler.Snapshot {
	out := *s
	out.Modules = slices.Clone(s.Modules)
	for i := range out.Modules {
		out.Modules[i].Start = start
	}
	return &out
}

// large makes a store of more than 16 MiB of minutes, which are hours ago, and of some new ones.
func large(t *testing.T, path string) (start time.Time) {
	t.Helper()
	s, err := history.Open(history.Config{Path: path, Pending: 1 << 30})
	require.NoError(t, err)
	now := time.Now().Truncate(time.Minute)
	old := now.Add(-40 * time.Hour).Truncate(time.Hour)
	snap := period(t, old, 3000)
	n := 0
	wait.Until(t, func() bool {
		for range 100 {
			s.Add("default", movedTo(snap, old.Add(time.Duration(n)*time.Minute)), agent)
			n++
		}
		return s.Stats().Bytes > 26<<20
	})
	for i := range 5 {
		s.Add("default", movedTo(snap, now.Add(time.Duration(i-6)*time.Minute)), agent)
	}
	require.NoError(t, s.Close())
	return now.Add(-6 * time.Minute)
}

// A file whose pages are mostly unused is copied to a smaller one, while others read it. What the
// crash of an earlier compaction left beside it does no harm, whether complete or not.
func TestCompact(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out a file of 26 MiB, and copies of it")
	}
	path := filepath.Join(t.TempDir(), "history.db")
	start := large(t, path)
	was, err := os.Stat(path)
	require.NoError(t, err)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for name, left := range map[string][]byte{"nothing": nil, "half of a copy": whole[:len(whole)/2], "a whole copy": whole, "garbage": []byte("garbage")} {
		require.NoError(t, os.WriteFile(path, whole, 0o600))
		if left != nil {
			require.NoError(t, os.WriteFile(path+".compact", left, 0o600))
		}
		s := open(t, history.Config{Path: path, MaxBytes: 2 << 20})
		var readers sync.WaitGroup
		ended := make(chan struct{})
		for range 2 {
			readers.Go(func() {
				for {
					a, err := s.Range(t.Context(), "default", start, start.Add(5*time.Minute))
					if err != nil || a.Records != 5 || queries(t, a) != 5*3000 {
						t.Errorf("%s: %d records, %v", name, a.Records, err)
						return
					}
					select {
					case <-ended:
						return
					default:
					}
				}
			})
		}
		wait.Until(t, func() bool { return s.Stats().Compacted > 0 })
		close(ended)
		readers.Wait()
		require.NoError(t, s.Close())
		now, err := os.Stat(path)
		require.NoError(t, err)
		require.Less(t, now.Size(), was.Size()/2, name)
		require.EqualValues(t, 0o600, now.Mode().Perm())
		require.NoFileExists(t, path+".compact")

		s, err = history.OpenReadOnly(path)
		require.NoError(t, err)
		a, err := s.Range(t.Context(), "default", start, start.Add(5*time.Minute))
		require.NoError(t, err)
		require.Equal(t, 5*3000, queries(t, a), name)
		require.NoError(t, s.Close())
	}
}

// A limit below what must stay is logged once, and is in the statistics.
func TestLimitBelowMinimum(t *testing.T) {
	var log bytes.Buffer
	s := open(t, history.Config{MaxBytes: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	start := time.Now().Truncate(time.Minute).Add(-10 * time.Minute)
	for i := range 5 {
		s.Add("default", period(t, start.Add(time.Duration(i)*time.Minute), 3), agent)
	}
	wait.Until(t, func() bool { stats := s.Stats(); return stats.Written == 5 && stats.Over > 0 })
	stats := s.Stats()
	require.Equal(t, 5, stats.Tiers[0].Records)
	require.Equal(t, stats.Bytes-1, stats.Over)
	require.NoError(t, s.Close())
	require.Equal(t, 1, bytes.Count(log.Bytes(), []byte("larger than it may be")), log.String())
}

package history_test

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"visor/export/history"
	"visor/internal/racetest"
)

// stored holds a store's file, whose minute i has i+1 queries.
type stored struct {
	start          time.Time
	minutes        int
	clean, unclean []byte // after and before Close
}

// newStored returns a store of three hours. Two of them are merged.
func newStored(t *testing.T) (s stored) {
	synctest.Test(t, func(t *testing.T) {
		s = stored{start: time.Now().Truncate(time.Hour), minutes: 179}
		time.Sleep(time.Duration(s.minutes) * time.Minute)
		path := filepath.Join(t.TempDir(), "history.db")
		store := open(t, history.Config{Path: path})
		for i := range s.minutes {
			store.Add("default", period(t, s.start.Add(time.Duration(i)*time.Minute), i+1), agent)
		}
		settle()
		require.Equal(t, 2, store.Stats().Tiers[1].Records)
		var err error
		s.unclean, err = os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, store.Close())
		s.clean, err = os.ReadFile(path)
		require.NoError(t, err)
	})
	return s
}

// verify requires each minute to be right or a gap, and returns the number of those that are right.
// An hour is right if its minutes are, which follows from the gaps.
func (s *stored) verify(t *testing.T, store *history.Store) (right int) {
	t.Helper()
	i := 0
	for a, err := range store.Series(t.Context(), "default", s.start, s.start.Add(3*time.Hour), time.Minute) {
		if err != nil {
			require.NotContains(t, err.Error(), "steps")
			return right
		}
		switch {
		case a.Snapshot == nil:
			require.NotEmpty(t, a.Gaps, i)
		case a.To.Sub(a.From) == time.Hour: // only the hour is left
			first := int(a.From.Sub(s.start) / time.Minute)
			require.Equal(t, sum(first, first+60), queries(t, a))
			right += 60
		default:
			i = int(a.From.Sub(s.start) / time.Minute)
			require.Equal(t, i+1, queries(t, a), a.Asked)
			right++
		}
	}
	a, err := store.Range(t.Context(), "default", s.start, s.start.Add(3*time.Hour))
	if err == nil && len(a.Gaps) == 1 && a.Gaps[0].End.Sub(a.Gaps[0].Start) == time.Minute {
		require.Equal(t, sum(0, s.minutes), queries(t, a))
	}
	return right
}

// sum returns the queries of minutes.
func sum(from, to int) (n int) {
	for i := from; i < to; i++ {
		n += i + 1
	}
	return n
}

// A file in which bytes have changed is opened, or is replaced by one with its undamaged records.
// No answer is wrong.
func TestFlippedBytes(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out floods of damage")
	}
	s := newStored(t)
	random := rand.New(rand.NewPCG(1, 2))
	const rounds = 25 // 300 take minutes
	damaged, all := 0, 0
	for round := range rounds {
		path := filepath.Join(t.TempDir(), "history.db")
		data := bytes.Clone(s.unclean)
		if round%2 == 0 {
			data = bytes.Clone(s.clean)
		}
		for range 1 + random.IntN(3) {
			at := random.IntN(len(data))
			if round%3 == 0 { // the pages above
				at = at / 4096 * 4096
				at += random.IntN(64)
			}
			data[at] ^= byte(1 + random.IntN(255))
		}
		if round%12 == 0 {
			data = data[:random.IntN(len(data))]
		}
		require.NoError(t, os.WriteFile(path, data, 0o600))
		if ro, err := history.OpenReadOnly(path); err == nil {
			s.verify(t, ro)
			require.NoError(t, ro.Close())
		} else {
			require.ErrorContains(t, err, "damaged")
		}
		var log bytes.Buffer
		store, err := history.Open(history.Config{Path: path, Logger: slog.New(slog.NewTextHandler(&log, nil)), Keep: history.Keep{Minute: 1e18, Hour: 2e18, Day: 3e18}})
		require.NoError(t, err)
		right := s.verify(t, store)
		require.NoError(t, store.Close())
		if store.Stats().Repaired > 0 {
			damaged++
			require.FileExists(t, path+".damaged")
			require.Contains(t, log.String(), "the history was damaged")
			require.NotZero(t, right, "undamaged records are kept")
		}
		all += right
		reopened, err := history.Open(history.Config{Path: path, Keep: history.Keep{Minute: 1e18, Hour: 2e18, Day: 3e18}})
		require.NoError(t, err)
		require.Equal(t, right, s.verify(t, reopened))
		require.Zero(t, reopened.Stats().Repaired, "it was repaired once")
		require.NoError(t, reopened.Close())
	}
	t.Logf("%d of %d files were replaced; %.1f %% of the minutes are left", damaged, rounds, 100*float64(all)/float64(rounds*s.minutes))
	require.NotZero(t, damaged)
}

// Any bytes are a store, or one is begun.
func TestForeignFile(t *testing.T) {
	for _, content := range []string{"", "x", "not a database", string(bytes.Repeat([]byte("text "), 100000)), string(make([]byte, 1<<20))} {
		path := filepath.Join(t.TempDir(), "history.db")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		store, err := history.Open(history.Config{Path: path})
		require.NoError(t, err)
		start := time.Now().Add(-time.Minute)
		store.Add("default", period(t, start, 1), agent)
		require.NoError(t, store.Close())
		require.Equal(t, uint64(1), store.Stats().Written)
	}
}

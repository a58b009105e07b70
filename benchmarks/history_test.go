package benchmarks

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/export/history"
	"visor/handler"
	"visor/internal/trafficgen"
)

// moved returns a snapshot as if it began at another time.
func moved(s *handler.Snapshot, start time.Time) *handler.Snapshot {
	out := *s
	out.Modules = slices.Clone(s.Modules)
	for i := range out.Modules {
		out.Modules[i].Start = start
	}
	return &out
}

// week makes a store of three policies: an hourly minute of a week, and all minutes of the last
// hour. Cut lists make an hour about as large as a minute.
func week(b *testing.B, path string, start time.Time) {
	store, err := history.Open(history.Config{Path: path, Pending: 1 << 30})
	require.NoError(b, err)
	snap := minute(b, trafficgen.Mixed(0))
	count := 0
	for policy := range 3 {
		for h := range 7 * 24 {
			minutes := 1
			if h == 7*24-1 {
				minutes = 60
			}
			for m := range minutes {
				at := start.Add(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute)
				store.Add(fmt.Sprintf("policy %d", policy), moved(snap, at), handler.Origin{Agent: "host"})
				count++
			}
		}
	}
	for store.Stats().Written < uint64(count) || store.Stats().Tiers[1].Records < 3*7*24 || store.Stats().Tiers[2].Records < 3*6 {
		time.Sleep(100 * time.Millisecond)
	}
	require.NoError(b, store.Close())
}

// BenchmarkHistory asks a store of three policies, as charts and tables do.
func BenchmarkHistory(b *testing.B) {
	path := filepath.Join(b.TempDir(), "history.db")
	end := time.Now().Truncate(time.Hour).Add(-time.Hour)
	start := end.Add(-7 * 24 * time.Hour)
	week(b, path, start)
	store, err := history.OpenReadOnly(path)
	require.NoError(b, err)
	defer store.Close()
	stats := store.Stats()
	b.Logf("records: %+v", stats.Tiers)
	series := func(from time.Time, step time.Duration, want int) func(*testing.B) {
		return func(b *testing.B) {
			for b.Loop() {
				n := 0
				for a, err := range store.Series(context.Background(), "policy 1", from, end, step) {
					require.NoError(b, err)
					require.NotNil(b, a.Snapshot)
					n++
				}
				require.Equal(b, want, n)
			}
		}
	}
	b.Run("week-by-hour", series(start, time.Hour, 7*24))
	b.Run("hour-by-minute", series(end.Add(-time.Hour), time.Minute, 60))
	b.Run("48h-merged", func(b *testing.B) {
		for b.Loop() {
			a, err := store.Range(context.Background(), "policy 1", end.Add(-48*time.Hour), end)
			require.NoError(b, err)
			require.NotNil(b, a.Snapshot)
			b.ReportMetric(float64(a.Records), "records")
		}
	})
}

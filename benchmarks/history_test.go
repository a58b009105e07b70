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

const (
	variants = 6 // minutes of different traffic, that take turns
	anHour   = 3 // minutes in each hour but the last
)

// week makes a store of three policies with visor's own groups: three minutes in each hour of a
// week, of different traffic, and all minutes of the last hour. An hour is merged from different
// minutes, so that its lists are full and its registers as in a whole hour. All minutes of two days
// would be 8,640 records, which the questions of the benchmark do not read.
func week(b *testing.B, path string, start time.Time) {
	store, err := history.Open(history.Config{Path: path, Pending: 1 << 30})
	require.NoError(b, err)
	var snaps []*handler.Snapshot
	for seed := range variants {
		cfg := trafficgen.Mixed(0)
		cfg.Seed = uint64(seed + 1)
		snaps = append(snaps, minute(b, cfg))
	}
	count := 0
	for policy := range 3 {
		for h := range 7 * 24 {
			minutes := anHour
			if h == 7*24-1 {
				minutes = 60
			}
			for m := range minutes {
				at := start.Add(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute)
				store.Add(fmt.Sprintf("policy %d", policy), moved(snaps[count%variants], at), handler.Origin{Agent: "host"})
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
	b.Logf("records: %+v; file of %d MB", stats.Tiers, stats.File>>20)
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

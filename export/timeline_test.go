package export_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/export"
	"visor/sketch"
)

// TestTimeline checks that NewTimeline chooses the shortest round step that fits, and finds the
// peak minute.
func TestTimeline(t *testing.T) {
	start := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		length  time.Duration
		columns int
		step    time.Duration
		counts  int
	}{
		{time.Second, 80, time.Second, 1},
		{80 * time.Second, 80, time.Second, 80},
		{81 * time.Second, 80, 2 * time.Second, 41},
		{time.Hour, 80, time.Minute, 60},
		{24 * time.Hour, 80, 30 * time.Minute, 48},
	} {
		var r sketch.Rate
		for at := time.Duration(0); at < tt.length; at += time.Second {
			r.Add(start.Add(at).Unix(), 1)
		}
		r.Add(start.Unix(), 0)
		got := export.NewTimeline("packets", &r, tt.columns)
		require.Equal(t, tt.step, got.Step, tt.length)
		require.Len(t, got.Counts, tt.counts, tt.length)
		sum := uint64(0)
		for _, n := range got.Counts {
			sum += n
		}
		require.Equal(t, uint64(tt.length/time.Second), sum, "every event is in a step")
	}
	var r sketch.Rate
	empty := export.NewTimeline("packets", &r, 80)
	require.Empty(t, empty.Columns())
	for minute, n := range []uint64{1, 8, 0, 4} {
		r.Add(start.Add(time.Duration(minute)*time.Minute).Unix(), n)
	}
	got := export.NewTimeline("packets", &r, 4)
	require.Equal(t, "▂█ ▅", got.Columns())
	require.Equal(t, "packets from 2026-01-01 12:00:00 UTC, a column is 1m; peak minute 2026-01-01 12:01 with 8", got.Caption())
}

// Years are counted in slots longer than a minute. The peak is the time of a slot then, with its
// length: no minute is known.
func TestTimelineOfYears(t *testing.T) {
	first := time.Date(2005, 9, 8, 19, 34, 38, 0, time.UTC)
	for _, length := range []time.Duration{2 * time.Hour, 12 * time.Hour, 48 * time.Hour, 4 * 366 * 24 * time.Hour} {
		var r sketch.Rate
		r.Add(first.Unix(), 58)
		r.Add(first.Add(length).Unix(), 2)
		got := export.NewTimeline("packets", &r, 80)
		require.Equal(t, uint64(58), got.Most)
		require.Zero(t, int64(got.Span/time.Second)%r.Width(), length)
		require.False(t, got.Peak.After(first), length)
		require.True(t, got.Peak.Add(got.Span).After(first), length)
		require.Equal(t, got.Span == time.Minute, strings.Contains(got.Caption(), "peak minute"), length)
	}
}

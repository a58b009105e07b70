package history_test

import (
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/export/history"
)

// Records that were written after their hour or day was merged, and are not merged yet, count in
// each range. Once they are merged, they count once.
func TestLateRecords(t *testing.T) {
	s, w := history.OpenStepped(t, history.Config{Path: filepath.Join(t.TempDir(), "history.db"), Keep: forever})
	start := time.Now().Truncate(24 * time.Hour).Add(-48 * time.Hour)
	want := 0
	add := func(at time.Duration, n int) {
		s.Add("default", period(t, start.Add(at), n), agent)
		require.NoError(t, w.Flush())
		want += n
	}
	require24 := func(records int) {
		t.Helper()
		a, err := s.Range(t.Context(), "default", start, start.Add(24*time.Hour))
		require.NoError(t, err)
		require.Equal(t, want, queries(t, a))
		require.Equal(t, records, a.Records)
		sum := 0
		for a, err := range s.Series(t.Context(), "default", start, start.Add(24*time.Hour), time.Hour) {
			require.NoError(t, err)
			sum += queries(t, a)
		}
		require.Equal(t, want, sum)
	}
	add(10*time.Minute, 3)
	require24(1)
	require.NoError(t, w.Merge())
	require24(1)
	add(20*time.Minute, 4) // its hour and its day are there
	require24(2)
	add(5*time.Minute, 6) // before all others
	require24(3)
	require.NoError(t, w.Merge())
	require24(1)
	add(70*time.Minute, 5) // the day is there, its hour is not
	require24(2)
	require.NoError(t, w.Merge())
	require24(1)
}

// Whenever periods are written and merged, and in which order they come, each answer has them all.
func TestAnyOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 6 {
		s, w := history.OpenStepped(t, history.Config{Path: filepath.Join(t.TempDir(), "history.db"), Keep: forever})
		start := time.Now().Truncate(24 * time.Hour).Add(-72 * time.Hour)
		want, at, taken := 0, 0, make(map[int]bool)
		for range 30 {
			at += 1 + r.IntN(120)
			if r.IntN(4) == 0 {
				at = r.IntN(at) // late
			}
			for taken[at] {
				at++
			}
			taken[at] = true
			n := 1 + r.IntN(5)
			s.Add("default", period(t, start.Add(time.Duration(at)*time.Minute), n), agent)
			want += n
			if r.IntN(3) > 0 {
				continue
			}
			require.NoError(t, w.Flush())
			if r.IntN(2) == 0 {
				require.NoError(t, w.Merge())
			}
			a, err := s.Range(t.Context(), "default", start, time.Now())
			require.NoError(t, err)
			require.Equal(t, want, queries(t, a))
		}
	}
}

// An hour that damage took is made again of its minutes. The day, which contains the lost one, does
// not count them twice.
func TestLostHour(t *testing.T) {
	s, w := history.OpenStepped(t, history.Config{Path: filepath.Join(t.TempDir(), "history.db"), Keep: forever})
	start := time.Now().Truncate(24 * time.Hour).Add(-48 * time.Hour)
	for i := range 5 {
		s.Add("default", period(t, start.Add(time.Duration(i)*20*time.Minute), 3), agent)
	}
	require.NoError(t, w.Flush())
	require.NoError(t, w.Merge())
	ask := func(span time.Duration) history.Answer {
		a, err := s.Range(t.Context(), "default", start, start.Add(span))
		require.NoError(t, err)
		return a
	}
	for range 2 {
		require.Equal(t, 9, queries(t, ask(time.Hour)))
		require.Equal(t, 15, queries(t, ask(24*time.Hour)))
		require.Equal(t, 1, ask(24*time.Hour).Records)
		require.NoError(t, w.LoseHour("default", start))
		require.NoError(t, w.MergeHour("default", start))
		require.Equal(t, 15, queries(t, ask(24*time.Hour)), "before the day is merged")
		require.NoError(t, w.Merge())
	}
	s.Add("default", period(t, start.Add(50*time.Minute), 4), agent) // late
	require.NoError(t, w.Flush())
	require.Equal(t, 19, queries(t, ask(24*time.Hour)))
	require.NoError(t, w.Merge())
	require.Equal(t, 19, queries(t, ask(24*time.Hour)))
	require.Equal(t, 13, queries(t, ask(time.Hour)))
}

// Damage takes an hour while periods wait to be merged. The hour is made again: the day gets only
// the periods that it lacks, and no answer counts one twice, before the day is merged or after.
func TestLostHourWithLatePeriods(t *testing.T) {
	const first, second = 30 * time.Minute, 90 * time.Minute
	for _, tt := range []struct {
		name  string
		late  []time.Duration // written after the day was merged
		moves bool            // whether an hour other than the lost one waits
	}{
		{"none", nil, false},
		{"in a free time", []time.Duration{first}, false},
		{"at a counted time", []time.Duration{20 * time.Minute}, false},
		{"in the other hour", []time.Duration{second}, false},
		{"in both", []time.Duration{second, first, 20 * time.Minute}, false},
		{"in an hour without others", []time.Duration{5 * time.Hour, first}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, w := history.OpenStepped(t, history.Config{Path: filepath.Join(t.TempDir(), "history.db"), Keep: forever})
			start := time.Now().Truncate(24 * time.Hour).Add(-48 * time.Hour)
			hours := make(map[int]int)
			all := 0
			add := func(at time.Duration, n int) {
				s.Add("default", period(t, start.Add(at), n), agent)
				require.NoError(t, w.Flush())
				hours[int(at/time.Hour)] += n
				all += n
			}
			ask := func(from, to time.Duration) int {
				a, err := s.Range(t.Context(), "default", start.Add(from), start.Add(to))
				require.NoError(t, err)
				return queries(t, a)
			}
			for i := range 5 {
				add(time.Duration(i)*20*time.Minute, 3)
			}
			require.NoError(t, w.Merge())
			for i, at := range tt.late {
				add(at, 4+i)
			}
			require.NoError(t, w.LoseHour("default", start))
			if tt.moves {
				require.NoError(t, w.MergeHour("default", start.Add(5*time.Hour)))
			}
			require.LessOrEqual(t, ask(0, 24*time.Hour), all, "what is late may be a gap")
			require.NoError(t, w.MergeHour("default", start))
			require.Equal(t, all, ask(0, 24*time.Hour), "before the day is merged")
			for range 2 {
				require.NoError(t, w.Merge())
				require.Equal(t, all, ask(0, 24*time.Hour))
				for h, n := range hours {
					require.Equal(t, n, ask(time.Duration(h)*time.Hour, time.Duration(h+1)*time.Hour), h)
				}
			}
			add(first+time.Minute, 9)
			require.NoError(t, w.Merge())
			require.Equal(t, all, ask(0, 24*time.Hour))
			require.Equal(t, hours[0], ask(0, time.Hour))
		})
	}
}

// A day of version 1 does not have the number of its last minute. The covered time decides then.
func TestLostHourOfVersion1(t *testing.T) {
	s, w := history.OpenStepped(t, history.Config{Path: filepath.Join(t.TempDir(), "history.db"), Keep: forever})
	start := time.Now().Truncate(24 * time.Hour).Add(-48 * time.Hour)
	add := func(at time.Duration, n int) {
		s.Add("default", period(t, start.Add(at), n), agent)
		require.NoError(t, w.Flush())
	}
	add(0, 3)
	add(20*time.Minute, 5)
	add(80*time.Minute, 7)
	require.NoError(t, w.Merge())
	require.NoError(t, w.Age("default"))
	add(30*time.Minute, 9) // late
	require.NoError(t, w.LoseHour("default", start))
	for range 2 {
		require.NoError(t, w.Merge())
		for span, want := range map[time.Duration]int{time.Hour: 17, 24 * time.Hour: 24} {
			a, err := s.Range(t.Context(), "default", start, start.Add(span))
			require.NoError(t, err)
			require.Equal(t, want, queries(t, a))
		}
	}
}

package history_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"visor/export/history"
	"visor/handler"
	"visor/internal/racetest"
)

// settle waits until the writer has swept.
func settle() {
	time.Sleep(2 * time.Minute)
	synctest.Wait()
}

// fill waits for a day and for some minutes of it, and adds a period of n queries for each.
func fill(t *testing.T, s *history.Store, offset time.Duration, minutes, n int) (start time.Time) {
	start = time.Now().Truncate(24 * time.Hour).Add(24 * time.Hour)
	time.Sleep(time.Until(start))
	time.Sleep(time.Duration(minutes) * time.Minute)
	for i := range minutes { // at once, for fewer transactions
		s.Add("default", period(t, start.Add(offset+time.Duration(i)*time.Minute), n), agent)
	}
	settle()
	return start
}

// Any range has the queries of the periods that start in it, whatever records it is merged from.
func TestAnyRange(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out histories of weeks")
	}
	synctest.Test(t, func(t *testing.T) {
		s := open(t, history.Config{})
		const minutes = 26 * 60
		start := fill(t, s, 17*time.Second, minutes, 2)
		time.Sleep(time.Hour)
		stats := s.Stats()
		require.Equal(t, minutes, stats.Tiers[0].Records)
		require.Equal(t, 26, stats.Tiers[1].Records)
		require.Equal(t, 1, stats.Tiers[2].Records)

		whole, err := s.Range(t.Context(), "default", start, start.Add(minutes*time.Minute))
		require.NoError(t, err)
		require.Equal(t, 2*minutes, queries(t, whole))
		require.Equal(t, 3, whole.Records, "a day and two hours")

		random := rand.New(rand.NewPCG(1, 2))
		for range 50 {
			from := random.IntN(minutes)
			to := from + 1 + random.IntN(minutes-from)
			a, err := s.Range(t.Context(), "default", start.Add(time.Duration(from)*time.Minute), start.Add(time.Duration(to)*time.Minute))
			require.NoError(t, err)
			require.Equal(t, 2*(to-from), queries(t, a), "%d to %d", from, to)
			if from > 0 { // the first period begins late
				require.Empty(t, a.Gaps)
			}
			require.Less(t, a.Records, 60+24+60)
			require.Equal(t, time.Duration(to-from)*time.Minute, a.To.Sub(a.From))
		}
	})
}

// Old minutes are hours, old hours are days, and old days are gone.
func TestExpire(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out histories of weeks")
	}
	synctest.Test(t, func(t *testing.T) {
		s := open(t, history.Config{Keep: history.Keep{Minute: 3 * time.Hour, Hour: 48 * time.Hour, Day: 96 * time.Hour}})
		start := fill(t, s, 0, 25*60, 1)
		at := func(from, to time.Duration) history.Answer {
			a, err := s.Range(t.Context(), "default", start.Add(from), start.Add(to))
			require.NoError(t, err)
			return a
		}
		a := at(90*time.Minute, 100*time.Minute)
		require.Equal(t, 60, queries(t, a), "the hour is left")
		require.Equal(t, start.Add(time.Hour), a.From)
		require.Equal(t, start.Add(2*time.Hour), a.To)
		require.Equal(t, 10, queries(t, at(24*time.Hour+10*time.Minute, 24*time.Hour+20*time.Minute)), "its minutes are left")
		require.Equal(t, uint64(22*60), s.Stats().Tiers[0].Expired)

		time.Sleep(72 * time.Hour)
		settle()
		a = at(90*time.Minute, 100*time.Minute)
		require.Equal(t, 24*60, queries(t, a), "the day is left")
		require.Equal(t, 24*time.Hour, a.To.Sub(a.From))
		require.Zero(t, s.Stats().Tiers[0].Records)

		time.Sleep(72 * time.Hour)
		settle()
		a, err := s.Range(t.Context(), "default", start, start.Add(time.Hour))
		require.NoError(t, err)
		require.Nil(t, a.Snapshot)
		require.Equal(t, []history.Gap{{Interval: a.Asked}}, a.Gaps)
	})
}

// A series has each record once: where only hours are left, an answer replaces the steps in it.
func TestSeries(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out histories of hours")
	}
	synctest.Test(t, func(t *testing.T) {
		s := open(t, history.Config{Keep: history.Keep{Minute: 2 * time.Hour}})
		start := fill(t, s, 17*time.Second, 6*60, 1)
		for _, step := range []time.Duration{time.Minute, 10 * time.Minute, time.Hour, 90 * time.Minute, 4 * time.Hour} {
			sum := 0
			for a, err := range s.Series(t.Context(), "default", start, start.Add(6*time.Hour), step) {
				require.NoError(t, err)
				if a.Asked.Start.After(start) { // the first period begins late
					require.Empty(t, a.Gaps)
				}
				sum += queries(t, a)
			}
			require.Equal(t, 6*60, sum, step)
		}
		for _, err := range s.Series(t.Context(), "default", start, start.Add(6*time.Hour), time.Second) {
			require.ErrorContains(t, err, "2000 steps")
		}
	})
}

// Time without counts is a gap, not a zero.
func TestGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "history.db")
		s := open(t, history.Config{Path: path})
		start := fill(t, s, 17*time.Second, 10, 1)
		require.NoError(t, s.Close())
		time.Sleep(20 * time.Minute)
		s = open(t, history.Config{Path: path})
		again := start.Add(30*time.Minute + 5*time.Second)
		s.Add("default", period(t, again, 5), agent)
		settle()
		a, err := s.Range(t.Context(), "default", start, start.Add(time.Hour))
		require.NoError(t, err)
		require.Equal(t, 15, queries(t, a))
		gap := func(from, to time.Time) history.Gap {
			return history.Gap{Interval: handler.Interval{Start: from, End: to}}
		}
		require.Equal(t, []history.Gap{
			gap(start, start.Add(17*time.Second)),
			gap(start.Add(10*time.Minute+17*time.Second), again),
			gap(again.Add(time.Minute), start.Add(time.Hour)),
		}, a.Gaps)
		n := 0
		for a, err := range s.Series(t.Context(), "default", start, start.Add(time.Hour), 10*time.Minute) {
			require.NoError(t, err)
			require.Equal(t, n != 0 && n != 3, a.Snapshot == nil, n)
			n++
		}
		require.Equal(t, 6, n)

		_, err = s.Range(t.Context(), "other", start, start.Add(time.Hour))
		require.ErrorIs(t, err, history.ErrUnknownPolicy)
	})
}

// Periods that are added late, as after a clock was set back, are in the hours and days, too.
func TestLate(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out histories of weeks")
	}
	synctest.Test(t, func(t *testing.T) {
		s := open(t, history.Config{Keep: history.Keep{Minute: 2 * time.Hour}})
		start := fill(t, s, 0, 25*60, 1)
		s.Add("default", period(t, start.Add(10*time.Minute+7*time.Second), 100), agent)
		settle()
		a, err := s.Range(t.Context(), "default", start, start.Add(25*time.Hour))
		require.NoError(t, err)
		require.Equal(t, 25*60+100, queries(t, a))
		require.Equal(t, 1+60, a.Records)
		a, err = s.Range(t.Context(), "default", start, start.Add(time.Hour))
		require.NoError(t, err)
		require.Equal(t, 60+100, queries(t, a))
		s.Add("default", period(t, start.Add(10*time.Minute+7*time.Second), 100), agent)
		settle()
		require.Zero(t, s.Stats().Lost)
	})
}

// After a change of a policy that makes its counts incomparable, a range has the later ones and a
// gap with the reason.
func TestChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, history.Config{})
		start := time.Now().Truncate(24 * time.Hour)
		for i := range 40 {
			p := period(t, start.Add(time.Duration(i)*time.Minute), 1)
			if i >= 30 {
				p.Modules[0].Version = "other"
			}
			s.Add("default", p, agent)
		}
		for range 2 { // as minutes and as an hour
			settle()
			a, err := s.Range(t.Context(), "default", start, start.Add(time.Hour))
			require.NoError(t, err)
			require.Equal(t, 10, queries(t, a))
			require.Contains(t, a.Gaps[0].Reason, "cannot be merged")
			require.Equal(t, start.Add(30*time.Minute), a.Gaps[len(a.Gaps)-2].End, fmt.Sprint(a.Gaps))
			time.Sleep(2 * time.Hour)
		}
		require.Equal(t, 2, s.Stats().Tiers[1].Records)
	})
}

// Over the bytes, minutes are deleted first, then hours, then days, and the file becomes smaller.
func TestEvict(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out histories of weeks")
	}
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "history.db")
		s := open(t, history.Config{Path: path, MaxBytes: 1 << 20})
		fill(t, s, 0, 8*60, 30)
		stats := s.Stats()
		require.NotZero(t, stats.Tiers[0].Evicted)
		require.LessOrEqual(t, stats.Bytes, int64(1<<20))
		require.GreaterOrEqual(t, stats.Tiers[0].Records, 120, "two hours stay")
		require.Equal(t, 7, stats.Tiers[1].Records)
		require.Zero(t, stats.Tiers[1].Evicted)
		require.NoError(t, s.Close())

		s = open(t, history.Config{Path: path, MaxBytes: 1})
		time.Sleep(30 * time.Hour)
		stats = s.Stats()
		require.Equal(t, 0, stats.Tiers[0].Records+stats.Tiers[1].Records+stats.Tiers[2].Records)
		require.NotZero(t, stats.Tiers[1].Evicted)
		require.NotZero(t, stats.Tiers[2].Evicted)
	})
}

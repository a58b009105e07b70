package history_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/export/history"
	"visor/handler"
	"visor/handler/dns"
	"visor/internal/packettest"
)

var agent = handler.Origin{Agent: "ns1", Program: "test"}

// period returns a period of a minute with n queries.
func period(t testing.TB, start time.Time, n int) *handler.Snapshot {
	t.Helper()
	return periodOf(t, dns.Config{}, start, n)
}

func periodOf(t testing.TB, cfg dns.Config, start time.Time, n int) *handler.Snapshot {
	t.Helper()
	var frames []capture.Frame
	for i := range n {
		q := packettest.Query(uint16(i), fmt.Sprintf("n%d.example", i), 1)
		f := packettest.UDP(0, "192.0.2.1:5000", "198.51.100.1:53", q)
		f.TimeNS = start.UnixNano() + int64(i)*int64(time.Millisecond)
		frames = append(frames, f)
	}
	last := packettest.UDP(0, "192.0.2.1:5000", "198.51.100.1:5001", nil)
	last.TimeNS = start.UnixNano() + int64(time.Minute) // closes the period
	h, err := dns.New(cfg)
	require.NoError(t, err)
	var closed *handler.Snapshot
	p, err := handler.NewPipeline(handler.Config{
		Sources: []capture.Source{capture.NewMemory(append(frames, last))}, Handlers: []handler.Handler{h},
		Closed: func(s *handler.Snapshot) {
			if closed == nil {
				closed = s
			}
		},
	})
	require.NoError(t, err)
	require.NoError(t, p.Run(context.Background()))
	return closed
}

// queries returns the number of queries in an answer.
func queries(t testing.TB, a history.Answer) int {
	t.Helper()
	if a.Snapshot == nil {
		return 0
	}
	m := dns.From(a.Snapshot)
	require.NotNil(t, m)
	return int(m.Queries.Value())
}

func open(t testing.TB, cfg history.Config) *history.Store {
	t.Helper()
	if cfg.Path == "" {
		cfg.Path = filepath.Join(t.TempDir(), "history.db")
	}
	s, err := history.Open(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// What was added is there after the store was opened again.
func TestRange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now().Truncate(time.Hour).Add(17 * time.Second)
		path := filepath.Join(t.TempDir(), "history.db")
		s := open(t, history.Config{Path: path})
		for i := range 10 {
			s.Add("default", period(t, start.Add(time.Duration(i)*time.Minute), i+1), agent)
		}
		require.NoError(t, s.Close())
		require.Equal(t, uint64(10), s.Stats().Written)

		s = open(t, history.Config{Path: path})
		a, err := s.Range(t.Context(), "default", start, start.Add(10*time.Minute))
		require.NoError(t, err)
		require.Equal(t, 55, queries(t, a))
		require.Empty(t, a.Gaps)
		require.Equal(t, 10, a.Records)
		require.Equal(t, 10, a.Snapshot.Window)
		require.Equal(t, start, a.From)
		require.Equal(t, start.Add(10*time.Minute), a.To)
	})
}

// A policy that is replaced within a period has two periods with the same start. Both are kept. The
// same period twice is one.
func TestReplacedPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now().Truncate(time.Hour)
		s := open(t, history.Config{})
		old, next := period(t, start, 3), period(t, start, 5)
		s.Add("default", old, agent)
		s.Add("default", next, agent)
		s.Add("default", next, agent)
		s.Add("default", period(t, start.Add(time.Minute), 7), agent)
		synctest.Wait()
		require.EqualValues(t, 1, s.Stats().Duplicates)
		for end, want := range map[time.Duration]int{time.Minute: 8, 2 * time.Minute: 15} {
			a, err := s.Range(t.Context(), "default", start, start.Add(end))
			require.NoError(t, err)
			require.Equal(t, want, queries(t, a))
			require.Empty(t, a.Gaps)
		}
		var steps []int
		for a, err := range s.Series(t.Context(), "default", start, start.Add(2*time.Minute), time.Minute) {
			require.NoError(t, err)
			steps = append(steps, queries(t, a))
		}
		require.Equal(t, []int{8, 7}, steps)
	})
}

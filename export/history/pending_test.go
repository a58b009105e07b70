package history_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/export/history"
	"visor/internal/wait"
)

// Too many periods wait while the oldest ones are being written, which succeeds. The count of lost
// periods is a counter of the agent: it must not fall.
func TestPendingInTransit(t *testing.T) {
	s, w := history.OpenStepped(t, history.Config{Path: filepath.Join(t.TempDir(), "history.db"), Keep: forever, Pending: 15000})
	start := time.Now().Truncate(24 * time.Hour)
	add := func(minute int) { s.Add("default", period(t, start.Add(time.Duration(minute)*time.Minute), 1), agent) }
	add(0)
	require.Zero(t, s.Stats().Lost)
	release, done := w.Hold(t), make(chan error, 1)
	go func() { done <- w.Flush() }()
	wait.Until(t, func() bool { return w.Writing() == 1 })
	added := 1
	for ; s.Stats().Lost < 2; added++ {
		add(added)
	}
	release()
	require.NoError(t, wait.Receive(t, done, "the end of writing"))
	st := s.Stats()
	require.EqualValues(t, 2, st.Lost)
	require.EqualValues(t, added-2, st.Written)
	a, err := s.Range(t.Context(), "default", start, start.Add(24*time.Hour))
	require.NoError(t, err)
	require.EqualValues(t, st.Written, queries(t, a))
	require.Zero(t, st.Pending)
}

package history_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"visor/export/history"
)

// mount mounts a tmpfs of some bytes, or skips the test.
func mount(t *testing.T, size string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skip("mounting needs privileges:", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// lines is a log that a test reads while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// addUntil adds minutes until a condition holds. It returns their number.
func addUntil(t *testing.T, s *history.Store, from time.Time, n int, done func() bool) int {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !done() {
		require.True(t, time.Now().Before(deadline), "%+v", s.Stats())
		s.Add("default", period(t, from.Add(time.Duration(n)*time.Minute), 40), agent)
		n++
		time.Sleep(time.Millisecond)
	}
	return n
}

// waitFor waits for a condition.
func waitFor(t *testing.T, s *history.Store, done func(history.Stats) bool) {
	t.Helper()
	if !assert.Eventually(t, func() bool { return done(s.Stats()) }, 10*time.Second, 20*time.Millisecond) {
		t.Fatalf("%+v", s.Stats())
	}
}

// On a full disk periods wait, questions are answered, and writing resumes when there is room.
func TestFullDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out floods of periods")
	}
	dir := mount(t, "2m")
	ballast := filepath.Join(dir, "ballast")
	require.NoError(t, os.WriteFile(ballast, make([]byte, 1500<<10), 0o600))
	log := &lines{}
	s := open(t, history.Config{Path: filepath.Join(dir, "history.db"), Keep: forever, Logger: slog.New(slog.NewTextHandler(log, nil))})
	start := time.Now().Truncate(24 * time.Hour)
	n := addUntil(t, s, start, 0, func() bool { return s.Stats().Failing })
	require.ErrorContains(t, s.Stats().LastError, "no space left")
	require.Contains(t, log.String(), "the history cannot be written")
	written := int(s.Stats().Written)
	a, err := s.Range(t.Context(), "default", start, start.Add(24*time.Hour))
	require.NoError(t, err)
	require.GreaterOrEqual(t, queries(t, a), 40*written)

	require.NoError(t, os.Remove(ballast))
	waitFor(t, s, func(st history.Stats) bool { return !st.Failing && st.Pending == 0 })
	require.Contains(t, log.String(), "the history is written again")
	require.Zero(t, s.Stats().Lost)
	a, err = s.Range(t.Context(), "default", start, start.Add(time.Duration(n)*time.Minute))
	require.NoError(t, err)
	require.Equal(t, 40*n, queries(t, a))
	require.NoError(t, s.Close())
}

// A disk that is full from the beginning does not fail Open.
func TestFullFromTheStart(t *testing.T) {
	dir := mount(t, "64k")
	ballast := filepath.Join(dir, "ballast")
	_ = os.WriteFile(ballast, make([]byte, 64<<10), 0o600) // what fits
	s := open(t, history.Config{Path: filepath.Join(dir, "history.db"), Pending: 10000})
	require.True(t, s.Stats().Failing)
	addUntil(t, s, time.Now(), 0, func() bool { return s.Stats().Lost > 0 })
	require.NotZero(t, s.Stats().Pending)
	_, err := s.Range(t.Context(), "default", time.Now(), time.Now())
	require.Error(t, err)
	require.Error(t, s.Close())
}

// A file on a disk without write permission is read, and written when that is allowed.
func TestReadOnlyDisk(t *testing.T) {
	dir := mount(t, "16m")
	path := filepath.Join(dir, "history.db")
	s := open(t, history.Config{Path: path})
	start := time.Now().Truncate(time.Minute).Add(-10 * time.Minute)
	s.Add("default", period(t, start, 3), agent)
	require.NoError(t, s.Close())

	require.NoError(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	s = open(t, history.Config{Path: path})
	require.True(t, s.Stats().Failing)
	s.Add("default", period(t, start.Add(time.Minute), 4), agent)
	a, err := s.Range(t.Context(), "default", start, start.Add(10*time.Minute))
	require.NoError(t, err)
	require.Equal(t, 3, queries(t, a))

	require.NoError(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT, ""))
	waitFor(t, s, func(st history.Stats) bool { return st.Written == 1 && !st.Failing })
	a, err = s.Range(t.Context(), "default", start, start.Add(10*time.Minute))
	require.NoError(t, err)
	require.Equal(t, 7, queries(t, a))
}

// A file that is removed is begun again, and one that is cut is replaced.
func TestRemovedAndCut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	s := open(t, history.Config{Path: path, Keep: forever, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	start := time.Now().Truncate(24 * time.Hour)
	add := func(n int) {
		before := s.Stats().Written
		s.Add("default", period(t, start.Add(time.Duration(n)*time.Minute), 1), agent)
		waitFor(t, s, func(st history.Stats) bool { return st.Written == before+1 })
	}
	add(0)
	require.NoError(t, os.Remove(path))
	add(1)
	require.FileExists(t, path)
	require.NoError(t, os.Truncate(path, 20000)) // faults in the mapped file
	_, _ = s.Range(t.Context(), "default", start, start.Add(24*time.Hour))
	add(2)
	a, err := s.Range(t.Context(), "default", start.Add(2*time.Minute), start.Add(3*time.Minute))
	require.NoError(t, err)
	require.Equal(t, 1, queries(t, a))
}

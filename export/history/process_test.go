package history_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/export/history"
)

// childFile is the variable that makes the test binary a process that writes a store.
const childFile = "VISOR_HISTORY_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childFile); path != "" {
		child(path)
		return
	}
	os.Exit(m.Run())
}

// child adds minute after minute to a store, and prints the number of those that are written. The
// minutes of an hour each have as many queries as their number in it. It ends when it is killed, or
// with its parent.
func child(path string) {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	s, err := history.Open(history.Config{Path: path, Owner: "the test's child", Keep: forever})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	n := 0
	if p, err := s.Policies(context.Background()); err == nil && len(p) > 0 {
		n = int(p[0].To.Sub(epoch) / time.Minute)
	}
	fmt.Println("open", n)
	var t testing.T
	for ; ; n++ {
		s.Add("default", period(&t, epoch.Add(time.Duration(n)*time.Minute), n%60+1), agent)
		if s.Stats().Pending < 8 {
			fmt.Println(n + 1 - s.Stats().Pending)
		}
	}
}

// epoch is the start of the child's first minute.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// forever keeps all records.
var forever = history.Keep{Minute: 1e18, Hour: 2e18, Day: 3e18}

// start starts a child. It returns its output after the line "open".
func start(t *testing.T, path string) (*exec.Cmd, *bufio.Reader, int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childFile+"="+path)
	_, err := cmd.StdinPipe() // closed when this process ends
	require.NoError(t, err)
	pipe, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	out := bufio.NewReader(pipe)
	line, err := out.ReadString('\n')
	require.NoError(t, err)
	rest, ok := strings.CutPrefix(line, "open ")
	require.True(t, ok, line)
	n, err := strconv.Atoi(strings.TrimSpace(rest))
	require.NoError(t, err)
	return cmd, out, n
}

// After kill -9 at any moment the store opens again, without damage. All minutes that were written
// are there.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	rounds := 200
	if testing.Short() {
		rounds = 10
	}
	written := 0
	for round := 0; round < rounds || written == 0; round++ { // a busy child needs more time
		cmd, out, n := start(t, path)
		require.GreaterOrEqual(t, n, written, "what was written is there")
		written = n
		kill := time.AfterFunc(time.Duration(round*37%60+round/10)*time.Millisecond, func() { _ = cmd.Process.Kill() })
		for {
			line, err := out.ReadString('\n')
			if err != nil {
				break
			}
			if written, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
				t.Fatal(line)
			}
		}
		kill.Stop()
		_ = cmd.Wait() // it was killed
	}
	s := open(t, history.Config{Path: path, Keep: forever})
	require.Zero(t, s.Stats().Repaired)
	require.NoFileExists(t, path+".damaged")
	policies, err := s.Policies(t.Context())
	require.NoError(t, err)
	minutes := int(policies[0].To.Sub(epoch) / time.Minute)
	require.GreaterOrEqual(t, minutes, written)
	a, err := s.Range(t.Context(), "default", epoch, policies[0].To)
	require.NoError(t, err)
	require.Empty(t, a.Gaps)
	want := minutes / 60 * sum(0, 60)
	require.Equal(t, want+sum(0, minutes%60), queries(t, a))
	t.Logf("%d minutes in %d lives", minutes, rounds)
}

// A second process gets an error that names the first.
func TestTwoProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	cmd, out, _ := start(t, path)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, out)
	}()
	defer func() {
		_ = cmd.Process.Kill()
		<-ended
		_ = cmd.Wait()
	}()
	_, err := history.Open(history.Config{Path: path})
	require.ErrorIs(t, err, history.ErrInUse)
	require.ErrorContains(t, err, "the test's child: ask it")
	_, err = history.OpenReadOnly(path)
	require.ErrorIs(t, err, history.ErrInUse)
	require.ErrorContains(t, err, "the test's child: ask it")
	for _, name := range []string{path, path + ".owner"} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
	}
}

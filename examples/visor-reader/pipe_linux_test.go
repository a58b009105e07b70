package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"visor/internal/wait"
)

// TestNamedPipe reads a named pipe, and interrupts the wait for a writer.
func TestNamedPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, unix.Mkfifo(pipe, 0o600))
	data, err := os.ReadFile(sample)
	require.NoError(t, err)
	go func() { _ = os.WriteFile(pipe, data, 0o600) }()
	var fromPipe, fromFile, stderr bytes.Buffer
	require.Equal(t, exitDone, run(t.Context(), []string{"--format", "json", pipe}, nil, &fromPipe, &stderr), stderr.String())
	require.Equal(t, exitDone, run(t.Context(), []string{"--format", "json", sample}, nil, &fromFile, &stderr))
	require.Equal(t, fromFile.String(), fromPipe.String())

	ctx, interrupt := context.WithCancel(t.Context())
	done := make(chan int, 1)
	go func() {
		var stdout, stderr bytes.Buffer
		done <- run(ctx, []string{pipe}, nil, &stdout, &stderr)
	}()
	interrupt()
	require.Equal(t, exitUnread, wait.Receive(t, done, "the end"))
	w, err := os.OpenFile(pipe, os.O_WRONLY|unix.O_NONBLOCK, 0) // unblocks the pending open
	if err == nil {
		w.Close()
	}
}

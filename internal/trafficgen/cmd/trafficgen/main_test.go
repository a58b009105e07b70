package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	var stdout, stderr bytes.Buffer
	require.NoError(t, run([]string{"-kind", "varied", "-n", "100", "-seed", "3", "-nxdomain", "20"}, &stdout, &stderr))
	require.Contains(t, stderr.String(), "100 frames")
	path := filepath.Join(t.TempDir(), "x.pcap")
	require.NoError(t, run([]string{"-kind", "varied", "-n", "100", "-seed", "3", "-nxdomain", "20", "-o", path}, nil, &stderr))
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, stdout.Bytes(), file)
}

func TestRunErrors(t *testing.T) {
	for _, args := range [][]string{{"-kind", "odd"}, {"-x"}, {"surplus"}, {"-n", "-5"}, {"-o", "/no/such/folder/x"}} {
		var stdout, stderr bytes.Buffer
		require.Error(t, run(args, &stdout, &stderr), "%v", args)
		require.Empty(t, stdout.Bytes())
	}
	require.ErrorIs(t, run([]string{"-h"}, nil, &bytes.Buffer{}), flag.ErrHelp)
}

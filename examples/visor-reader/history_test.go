package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/pcapfile"
	"visor/decode"
	"visor/export/history"
	"visor/handler"
	"visor/handler/network"
)

// historyOf returns a directory with the history of a capture.
func historyOf(t *testing.T, policy, path string) (dir string) {
	dir = t.TempDir()
	const years = 1000000 * time.Hour
	store, err := history.Open(history.Config{Path: filepath.Join(dir, historyFile), Keep: history.Keep{Minute: years, Hour: years, Day: years}})
	require.NoError(t, err)
	src, err := pcapfile.Open(path)
	require.NoError(t, err)
	h, err := network.New(network.Config{})
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{
		Sources: []capture.Source{src}, Handlers: []handler.Handler{h},
		Closed: func(s *handler.Snapshot) { store.Add(policy, s, handler.Origin{Agent: "ns1"}) },
	})
	require.NoError(t, err)
	require.NoError(t, p.Run(context.Background()))
	require.NoError(t, store.Close())
	return dir
}

func TestHistory(t *testing.T) {
	dir := historyOf(t, "default", writeCapture(t, decode.LinkEthernet, 0, 1, 2, 60, 61, 600))
	code, stdout, stderr := call(t, nil, "--history", dir, "--format", "text")
	require.Equal(t, exitDone, code, stderr)
	require.Equal(t, "default                   2026-01-01 00:00:00 to 2026-01-01 00:10:01 UTC\n", stdout)
	_, stdout, _ = call(t, nil, "--history", dir, "--format", "json")
	var list []struct{ Name string }
	require.NoError(t, json.Unmarshal([]byte(stdout), &list))
	require.Equal(t, "default", list[0].Name)

	code, stdout, stderr = call(t, nil, "--history", dir, "default")
	require.Equal(t, exitDone, code, stderr)
	require.Equal(t, uint64(6), parse(t, stdout)["10m"].Packets.Total)
	require.NotContains(t, stderr, "nothing", "a recording covers the time without packets")
	_, _, stderr = call(t, nil, "--history", dir, "--to", "+15m1s", "default")
	require.Contains(t, stderr, "nothing was counted from 2026-01-01 00:10:01 to 2026-01-01 00:15:01 UTC (5m)")
	_, stdout, _ = call(t, nil, "--history", dir, "--from", "+1m", "--to", "+2m", "default")
	require.Equal(t, uint64(2), parse(t, stdout)["9m"].Packets.Total)

	_, stdout, stderr = call(t, nil, "--history", dir, "--step", "1m", "--format", "text", "default")
	var rows []string
	for line := range strings.Lines(stdout) {
		rows = append(rows, strings.Join(strings.Fields(line)[:3], " "))
	}
	require.Equal(t, []string{"UTC packets queries", "2026-01-01 00:00:00 3", "2026-01-01 00:01:00 2", "2026-01-01 00:10:00 1"}, rows, stderr)
}

func TestHistoryMisused(t *testing.T) {
	dir, empty := historyOf(t, "default", writeCapture(t, decode.LinkEthernet, 0, 70)), historyOf(t, "default", writeCapture(t, decode.LinkEthernet))
	for args, want := range map[string]string{
		"--history " + dir + " other":                     `no policy "other"; it has default`,
		"--history " + dir + " a b":                       "one policy",
		"--history " + dir + " -b udp default":            "--bpf cannot go with --history",
		"--history " + dir + "/missing default":           "no such file",
		"--history " + dir + " --from 2030-01-01 default": "default has nothing from 2030-01-01 00:00:00 UTC; it has 2026-01-01 00:00:00 to 2026-01-01 00:01:11",
		"--history " + dir + " --to 2025-01-01 default":   "default has nothing to 2025-01-01 00:00:00 UTC; it has",
		"--history " + empty + " default":                 "the history is empty",
		"--history " + dir + " --periods 5 default":       "--periods",
		"--history " + dir + " --format pktvisor default": "pktvisor",
	} {
		code, _, stderr := call(t, nil, strings.Fields(args)...)
		require.NotEqual(t, exitDone, code, args)
		require.Contains(t, stderr, want, args)
	}
	code, _, stderr := call(t, nil, "--history", dir, "--from", "+2m", "--to", "+1m", "default")
	require.Equal(t, exitMisused, code)
	require.Contains(t, stderr, "--from 2026-01-01 00:02:00 is not before --to 2026-01-01 00:01:00")
}

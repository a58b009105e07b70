package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode"
	"visor/internal/trafficgen"
)

// snapshotOf writes the snapshot of a capture.
func snapshotOf(t *testing.T, path string, args ...string) string {
	to := filepath.Join(t.TempDir(), filepath.Base(path)+".vsnap")
	code, _, stderr := call(t, nil, append(args, "--write-snapshot", to, path)...)
	require.Equal(t, exitDone, code, stderr)
	return to
}

// Snapshots of parts have what a summary of the whole has.
func TestSnapshots(t *testing.T) {
	early := snapshotOf(t, sample, "-H", trafficgen.LocalNets, "--to", "+100s")
	late := snapshotOf(t, sample, "-H", trafficgen.LocalNets, "--from", "+100s")
	other := filepath.Join(t.TempDir(), "other.vsnap")
	code, stdout, stderr := call(t, nil, "--write-snapshot", other, early, late)
	require.Equal(t, exitDone, code, stderr)
	_, whole, _ := call(t, nil, "-H", trafficgen.LocalNets, sample)
	want := parse(t, whole)["4m"]
	got := parse(t, stdout)
	require.Equal(t, want, got["4m"])
	require.Contains(t, stderr, "net, dns, dhcp, bgp, pcap of sample.pcap, visor-reader (devel): 2026-01-01 00:00:00 to 2026-01-01 00:01:40")

	require.Contains(t, stderr, "input: 2000 frames: 1000 analysed, 1000 filtered", "both parts read the whole file")

	_, again, _ := call(t, nil, other)
	require.Equal(t, got, parse(t, again), "a merged snapshot is a snapshot")
	_, text, _ := call(t, nil, "--format", "text", "--top", "3", early, late)
	require.Contains(t, text, "── DNS ──")
	require.Contains(t, text, "net, dns, dhcp, bgp, pcap of sample.pcap")
}

func TestSnapshotsRefuse(t *testing.T) {
	one := snapshotOf(t, sample)
	code, stdout, stderr := call(t, nil, one, one)
	require.Equal(t, exitUnread, code, "the same time twice")
	require.Contains(t, stderr, one+": ")
	require.Equal(t, uint64(1000), parse(t, stdout)["4m"].Packets.Total, "what could be read is shown")

	code, _, stderr = call(t, nil, one, writeCapture(t, decode.LinkEthernet, 1))
	require.Equal(t, exitUnread, code)
	require.Contains(t, stderr, "snapshots and captures cannot be read together")

	data, err := os.ReadFile(one)
	require.NoError(t, err)
	cut := filepath.Join(t.TempDir(), "cut.vsnap")
	require.NoError(t, os.WriteFile(cut, data[:len(data)/2], 0o600))
	code, _, stderr = call(t, nil, cut)
	require.Equal(t, exitUnread, code)
	require.Contains(t, stderr, "cut.vsnap: ")

	for _, args := range [][]string{{"--step", "1m"}, {"--periods", "5"}, {"--format", "pktvisor"}} {
		code, _, stderr = call(t, nil, append(args, "--write-snapshot", "x", sample)...)
		require.Equal(t, exitMisused, code)
		require.Contains(t, stderr, "--write-snapshot writes the whole capture")
	}
	for _, args := range [][]string{{"--from", "+1s"}, {"--to", "00:01"}, {"--step", "1m"}, {"-H", "192.0.2.0/24"}, {"-b", "udp"}, {"--periods", "5"}, {"--name", "a.example"}, {"--client", "192.0.2.1"}, {"--policy", "x"}, {"--geo-asn", "x"}} {
		code, stdout, stderr := call(t, nil, append(args, one)...)
		require.Equal(t, exitMisused, code, args)
		require.Contains(t, stderr, " cannot change a snapshot")
		require.Empty(t, stdout)
	}
	missing := filepath.Join(t.TempDir(), "no", "x.vsnap")
	code, _, stderr = call(t, nil, "--write-snapshot", missing, sample)
	require.Equal(t, exitUnread, code)
	require.Contains(t, stderr, "--write-snapshot: ")
}

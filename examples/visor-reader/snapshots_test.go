package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/pcapfile"
	"visor/decode"
	"visor/handler"
	"visor/handler/network"
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

// agentSnapshot returns the snapshot of an agent's policy, with one module of net for each name.
func agentSnapshot(t *testing.T, policy, tap string, modules ...string) string {
	src, err := pcapfile.Open(sample)
	require.NoError(t, err)
	var handlers []handler.Handler
	for _, name := range modules {
		h, err := network.New(network.Config{Settings: handler.Settings{Name: policy + "-" + tap + "-" + name, Tap: tap}})
		require.NoError(t, err)
		handlers = append(handlers, h)
	}
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{src}, Handlers: handlers})
	require.NoError(t, err)
	require.NoError(t, p.Run(t.Context()))
	s, err := p.Window(5)
	require.NoError(t, err)
	data, err := s.AppendBinary(nil, handler.Origin{Agent: "ns1", Policy: policy}, handler.DefaultEntries)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "agent.vsnap")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

// TestSnapshotsOfAgents checks that captures merge with agents, and agents with each other, though
// agents name modules by policy and tap. Modules that do not merge are all shown.
func TestSnapshotsOfAgents(t *testing.T) {
	const policy = "default"
	file, eth0, eth1 := snapshotOf(t, sample), agentSnapshot(t, policy, "eth0", "net"), agentSnapshot(t, policy, "eth1", "traffic")
	code, stdout, stderr := call(t, nil, file, eth0, eth1)
	require.Equal(t, exitDone, code, stderr)
	require.Equal(t, uint64(3000), parse(t, stdout)["4m"].Packets.Total)
	require.Contains(t, stderr, "net of ns1, policy default: ")

	both := filepath.Join(t.TempDir(), "both.vsnap")
	_, _, _ = call(t, nil, "--write-snapshot", both, eth0, eth1)
	_, stdout, _ = call(t, nil, both, file)
	require.Equal(t, uint64(3000), parse(t, stdout)["4m"].Packets.Total, "a merged snapshot merges again")

	// another policy may count the same packets, and a second module may have other filters
	for other, names := range map[string][]string{
		agentSnapshot(t, "edge", "eth0", "net"):    {"edge-eth0-net", "net"},
		agentSnapshot(t, policy, "eth2", "a", "b"): {"default-eth2-a", "default-eth2-b", "net"},
	} {
		_, stdout, _ = call(t, nil, eth0, other)
		var doc map[string]map[string]map[string]struct{ Total int }
		require.NoError(t, json.Unmarshal([]byte(stdout), &doc))
		require.Equal(t, names, slices.Sorted(maps.Keys(doc["4m"])))
		for _, name := range names {
			require.Equal(t, 1000, doc["4m"][name]["packets"].Total, name)
		}
	}
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
	precious := writeCapture(t, decode.LinkEthernet, 0, 1)
	before, err := os.ReadFile(precious)
	require.NoError(t, err)
	for _, input := range []string{sample, precious, one} {
		code, stdout, stderr := call(t, nil, "--write-snapshot", precious, input)
		require.Equal(t, exitMisused, code)
		require.Equal(t, "visor-reader: --write-snapshot "+precious+": the file is there and cannot be read as a snapshot\n", stderr)
		require.Empty(t, stdout)
	}
	after, err := os.ReadFile(precious)
	require.NoError(t, err)
	require.Equal(t, before, after)

	missing := filepath.Join(t.TempDir(), "no", "x.vsnap")
	for _, input := range []string{sample, one} { // the answer is shown all the same
		_, want, _ := call(t, nil, input)
		code, stdout, stderr := call(t, nil, "--write-snapshot", missing, input)
		require.Equal(t, exitUnread, code)
		require.Contains(t, stderr, "--write-snapshot: open "+missing+": ")
		require.Equal(t, want, stdout)
	}
}

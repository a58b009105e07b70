package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode"
	"visor/internal/trafficgen"
)

const twoPolicies = `
version: "1.0"
visor:
  taps:
    wired:
      input_type: pcap
      config: {iface: eth0, bpf: "udp port 53", host_spec: "` + trafficgen.LocalNets + `"}
  policies:
    names:
      kind: collection
      input: {tap: wired, input_type: pcap}
      handlers:
        modules:
          dns: {type: dns}
          responses: {type: dns, filter: {exclude_noerror: true}}
    all:
      kind: collection
      input: {tap: elsewhere, input_type: pcap}
      handlers:
        modules:
          net: {type: net}
    probes:
      kind: collection
      input: {tap: other, input_type: dnstap}
      handlers:
        modules:
          dns: {type: dns}
`

// Policies of an agent run over a capture with their filters, from its first packet on. A policy
// whose input does not fit is named, and the others run.
func TestPolicies(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policies.yaml")
	require.NoError(t, os.WriteFile(file, []byte(twoPolicies), 0o600))
	code, stdout, stderr := call(t, nil, "--policy", file, sample)
	require.Equal(t, exitUnread, code, stderr)
	require.Contains(t, stderr, "policy probes needs input of type dnstap: run it with -i dnstap")
	require.Contains(t, stderr, "policy all, tap elsewhere: ")
	type wire struct {
		Events, Total, Filtered uint64
		NoError, NXDomain       uint64
	}
	var doc map[string]map[string]struct {
		Packets wire
		DNS     struct {
			WirePackets wire `json:"wire_packets"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &doc))
	_, whole, _ := call(t, nil, "--periods", "1", sample)
	total := parse(t, whole)["1m"].Packets.Total
	require.EqualValues(t, total, doc["all"]["all-elsewhere-net"].Packets.Total)
	require.Len(t, doc, 2)
	names := doc["names"]["names-wired-dns"].DNS.WirePackets
	errors := doc["names"]["names-wired-responses"].DNS.WirePackets
	require.Positive(t, names.NoError)
	require.Positive(t, names.NXDomain)
	require.Zero(t, errors.NoError)
	require.Equal(t, names.NXDomain, errors.NXDomain)

	code, stdout, stderr = call(t, nil, "--policy", file, "--format", "text", "--periods", "2", "--from", "+1m", sample, sample)
	require.Equal(t, exitUnread, code, stderr)
	require.Contains(t, stdout, "Policy names, names-wired-responses")
	require.Contains(t, stdout, "policy all, tap elsewhere: ")
}

func TestPoliciesRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policies.yaml")
	require.NoError(t, os.WriteFile(file, []byte("version: \"1.0\"\nvisor:\n  policies:\n    p: {kind: collection, input: {tap: x, input_type: netprobe}, handlers: {modules: {m: {type: netprobe}}}}\n"), 0o600))
	path := writeCapture(t, decode.LinkEthernet, 0)
	code, _, stderr := call(t, nil, "--policy", file, path)
	require.Equal(t, exitUnread, code)
	require.Contains(t, stderr, "it makes its own events")
	require.Contains(t, stderr, "it has no policy for -i pcap")
	code, _, stderr = call(t, nil, "--policy", file, "-b", "udp", path)
	require.Equal(t, exitMisused, code)
	require.Contains(t, stderr, "filters in its file")
	code, _, stderr = call(t, nil, "--policy", file, "-j", "2", path)
	require.Equal(t, exitMisused, code)
	require.Contains(t, stderr, "cannot go with -j")
	require.NoError(t, os.WriteFile(file, []byte("visor:\n  tap: {}\n  policies:\n    p: {kind: none, input: {tap: x, input_type: pcap}}\n"), 0o600))
	code, _, stderr = call(t, nil, "--policy", file, path)
	require.Equal(t, exitUnread, code)
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	require.Len(t, lines, 3)
	for i, want := range []string{"warning: the section 'visor' has no key 'tap'", "unknown policy kind: none", "missing or invalid handler configuration"} {
		require.True(t, strings.HasPrefix(lines[i], "visor-reader: "+want), lines[i])
		require.True(t, strings.HasSuffix(lines[i], " in config file: "+file), lines[i])
	}
	code, _, _ = call(t, nil, "--policy", file+".missing", path)
	require.Equal(t, exitUnread, code)
}

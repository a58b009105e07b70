package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture/pcapfile"
	"visor/decode"
	"visor/internal/mmdbtest"
	"visor/internal/packettest"
	"visor/internal/trafficgen"
)

const sample = "testdata/sample.pcap"

// call runs the program.
func call(t testing.TB, stdin io.Reader, args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(t.Context(), args, stdin, &out, &err)
	return code, out.String(), err.String()
}

// summary is the part of the JSON that tests look at.
type summary map[string]struct {
	Packets struct {
		Total   uint64 `json:"total"`
		In      uint64 `json:"in"`
		Deep    uint64 `json:"deep_samples"`
		TopASN  []any  `json:"top_ASN"`
		TopGeo  []any  `json:"top_geoLoc"`
		TopIPv4 []any  `json:"top_ipv4"`
	} `json:"packets"`
	DNS struct {
		Wire struct {
			Queries uint64 `json:"queries"`
			Replies uint64 `json:"replies"`
		} `json:"wire_packets"`
	} `json:"dns"`
}

func parse(t testing.TB, stdout string) summary {
	var s summary
	require.NoError(t, json.Unmarshal([]byte(stdout), &s))
	return s
}

func TestJSON(t *testing.T) {
	code, stdout, stderr := call(t, nil, sample)
	require.Equal(t, exitDone, code, stderr)
	require.Empty(t, stderr)
	s := parse(t, stdout)
	require.Contains(t, s, "5m")
	require.Equal(t, uint64(1000), s["5m"].Packets.Total)
	require.Equal(t, uint64(246), s["5m"].DNS.Wire.Queries)
	require.Zero(t, s["5m"].Packets.In, "no network is ours")
}

func TestOptions(t *testing.T) {
	_, stdout, _ := call(t, nil, "--periods", "1", "-H", trafficgen.LocalNets, sample)
	require.Equal(t, uint64(472), parse(t, stdout)["1m"].Packets.In)

	_, stdout, _ = call(t, nil, "--periods", "2", sample)
	last := parse(t, stdout)["2m"].Packets.Total
	require.Less(t, last, uint64(1000), "the last two minutes")
	require.NotZero(t, last)

	_, stdout, _ = call(t, nil, "--max-deep-sample", "10", "--periods", "1", sample)
	s := parse(t, stdout)["1m"].Packets
	require.Equal(t, uint64(1000), s.Total)
	require.InDelta(t, 100, float64(s.Deep), 40)

	code, stdout, _ := call(t, nil, "--version")
	require.Equal(t, exitDone, code)
	require.Contains(t, stdout, "visor-reader ")
}

func TestGeo(t *testing.T) {
	city := mmdbtest.Write(t, "City", map[string]mmdbtest.Record{"::/1": {"continent": mmdbtest.Record{"code": "EU"}}})
	asn := mmdbtest.Write(t, "ASN", map[string]mmdbtest.Record{"::/1": {"autonomous_system_number": uint32(64500)}})
	code, stdout, stderr := call(t, nil, "--geo-city", city, "--geo-asn", asn, "-H", trafficgen.LocalNets, sample)
	require.Equal(t, exitDone, code, stderr)
	s := parse(t, stdout)["5m"].Packets
	require.Len(t, s.TopGeo, 1)
	require.Len(t, s.TopASN, 1)

	code, _, stderr = call(t, nil, "--geo-city", sample, sample)
	require.Equal(t, exitUnread, code)
	require.Contains(t, stderr, "not a MaxMind database")
}

// TestWorkers gives the same answer with any number of workers. Only what is slow, each judges for itself.
func TestWorkers(t *testing.T) {
	slow := regexp.MustCompile(`"top_slow":\[[^]]*\]`)
	_, want, _ := call(t, nil, "-j", "1", "-H", trafficgen.LocalNets, sample)
	for _, j := range []string{"2", "3", "8"} {
		_, got, _ := call(t, nil, "-j", j, "-H", trafficgen.LocalNets, sample)
		require.True(t, slow.ReplaceAllString(want, "") == slow.ReplaceAllString(got, ""), "-j %s", j)
	}
}

func TestInputs(t *testing.T) {
	_, want, _ := call(t, nil, "--periods", "1", sample)
	raw, err := os.ReadFile(sample)
	require.NoError(t, err)
	_, got, _ := call(t, bytes.NewReader(raw), "--periods", "1", "-")
	require.Equal(t, want, got, "standard input")

	zipped := filepath.Join(t.TempDir(), "sample.pcap.gz")
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err = w.Write(raw)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, os.WriteFile(zipped, b.Bytes(), 0o600))
	_, got, _ = call(t, nil, "--periods", "1", zipped)
	require.Equal(t, want, got, "gzip")

	_, stdout, _ := call(t, nil, "--periods", "1", sample, zipped)
	require.Equal(t, uint64(2000), parse(t, stdout)["1m"].Packets.Total, "two files")
}

func TestText(t *testing.T) {
	code, stdout, _ := call(t, nil, "--format", "text", sample)
	require.Equal(t, exitDone, code)
	for _, want := range []string{"── PACKETS", "── DNS", "── PCAP", "top qname2"} {
		require.Contains(t, stdout, want)
	}
	require.NotContains(t, stdout, "\x1b", "a file wants no colour")
}

// TestDamage shows what came before the damage, and where it is.
func TestDamage(t *testing.T) {
	raw, err := os.ReadFile(sample)
	require.NoError(t, err)
	cut := filepath.Join(t.TempDir(), "cut.pcap")
	require.NoError(t, os.WriteFile(cut, raw[:len(raw)/2], 0o600))
	for _, j := range []string{"1", "2"} {
		code, stdout, stderr := call(t, nil, "-j", j, "--periods", "1", cut)
		require.Equal(t, exitUnread, code)
		require.Contains(t, stderr, "cut.pcap")
		require.Contains(t, stderr, "offset")
		require.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
		total := parse(t, stdout)["1m"].Packets.Total
		require.Greater(t, total, uint64(300))
		require.Less(t, total, uint64(1000))
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{nil, exitMisused, "no FILE given"},
		{[]string{"--no-such-flag", sample}, exitMisused, "unknown flag: --no-such-flag"},
		{[]string{"--periods", "11", sample}, exitMisused, "--periods 11: must be from 1 to 10"},
		{[]string{"--periods", "x", sample}, exitMisused, "invalid argument"},
		{[]string{"--max-deep-sample", "0", sample}, exitMisused, "--max-deep-sample 0"},
		{[]string{"-j", "0", sample}, exitMisused, "-j 0: must be from 1 to 64"},
		{[]string{"-i", "ipx", sample}, exitMisused, "-i ipx: unknown type of input"},
		{[]string{"-i", "dnstap", sample}, exitUnread, "not Frame Streams"},
		{[]string{"-H", "192.0.2.1", sample}, exitMisused, "invalid CIDR: 192.0.2.1"},
		{[]string{"--format", "xml", sample}, exitMisused, "--format xml: must be json or text"},
		{[]string{"missing.pcap"}, exitUnread, "missing.pcap"},
		{[]string{"main.go"}, exitUnread, "main.go"},
	} {
		code, stdout, stderr := call(t, nil, tt.args...)
		require.Equal(t, tt.code, code, tt.args)
		require.Contains(t, stderr, tt.want)
		require.Empty(t, stdout)
		require.Equal(t, tt.code == exitMisused, strings.Contains(stderr, "--help"))
	}
}

func TestHelp(t *testing.T) {
	code, stdout, stderr := call(t, nil, "-h")
	require.Equal(t, exitDone, code)
	require.Empty(t, stderr)
	for _, want := range []string{"Usage:", "Examples:", "Exit status:", "--periods", "--max-deep-sample", "--geo-city", "--host"} {
		require.Contains(t, stdout, want)
	}
	for line := range strings.Lines(stdout) {
		require.LessOrEqual(t, len(line), 90, line)
	}
}

// TestInterrupted ends while standard input waits for more: what was read is shown.
func TestInterrupted(t *testing.T) {
	raw, err := os.ReadFile(sample)
	require.NoError(t, err)
	ctx, interrupt := context.WithCancel(t.Context())
	in, feed := io.Pipe()
	go func() {
		_, _ = feed.Write(raw)
		interrupt()
	}()
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitDone, run(ctx, []string{"--periods", "1", "-"}, in, &stdout, &stderr))
	require.Contains(t, stderr.String(), "interrupted")
	parse(t, stdout.String())
}

// full is a disk.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestCannotWrite(t *testing.T) {
	var stderr bytes.Buffer
	require.Equal(t, exitUnread, run(t.Context(), []string{sample}, nil, full{}, &stderr))
	require.Contains(t, stderr.String(), os.ErrClosed.Error())
}

// TestFlows summarises what a router exports.
func TestFlows(t *testing.T) {
	flow := decode.Flow{
		Src: netip.MustParseAddr("198.51.100.1"), Dst: netip.MustParseAddr("203.0.113.1"), SrcPort: 5000, DstPort: 443, Proto: 6,
		Bytes: 1500, Packets: 3, Input: 1, Output: 2,
	}
	path := filepath.Join(t.TempDir(), "exports.pcap")
	f, err := os.Create(path)
	require.NoError(t, err)
	export := packettest.UDP(0, "192.0.2.254:5000", "192.0.2.1:2055", packettest.NetFlow5(0, 0, flow))
	w, err := pcapfile.NewWriter(f, pcapfile.WriterConfig{Link: export.Link})
	require.NoError(t, err)
	require.NoError(t, w.WriteFrame(export))
	require.NoError(t, w.Flush())
	require.NoError(t, f.Close())
	for _, input := range []string{"netflow", "SFLOW"} {
		code, stdout, stderr := call(t, nil, "-i", input, "--periods", "1", path)
		require.Equal(t, exitDone, code, stderr)
		var doc map[string]map[string]struct {
			Devices map[string]struct {
				Interfaces map[string]struct {
					InBytes uint64 `json:"in_bytes"`
				} `json:"interfaces"`
			} `json:"devices"`
		}
		require.NoError(t, json.Unmarshal([]byte(stdout), &doc))
		require.Len(t, doc["1m"], 1)
		require.Equal(t, uint64(1500), doc["1m"]["flow"].Devices["192.0.2.254"].Interfaces["1"].InBytes)
	}
}

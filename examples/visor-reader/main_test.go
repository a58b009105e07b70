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
	"unicode/utf8"

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

// summary is the part of the JSON that the tests check.
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
	var all map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(stdout), &all))
	for _, beside := range []string{"account", "coverage", "errors", "hints", "timeline"} {
		delete(all, beside)
	}
	raw, err := json.Marshal(all)
	require.NoError(t, err)
	var s summary
	require.NoError(t, json.Unmarshal(raw, &s))
	return s
}

func TestJSON(t *testing.T) {
	code, stdout, stderr := call(t, nil, sample)
	require.Equal(t, exitDone, code, stderr)
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	require.Len(t, lines, 2)
	require.Contains(t, lines[0], "the direction of all packets is unknown: with -H")
	require.Equal(t, "visor-reader: 1,000 packets, all analysed; the answer covers all of the input, 2026-01-01 00:00:00 to 00:03:43 UTC", lines[1])
	s := parse(t, stdout)
	require.Contains(t, s, "4m")
	require.Equal(t, uint64(1000), s["4m"].Packets.Total)
	require.Equal(t, uint64(246), s["4m"].DNS.Wire.Queries)
	require.Zero(t, s["4m"].Packets.In, "no network is ours")
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
	s := parse(t, stdout)["4m"].Packets
	require.Len(t, s.TopGeo, 1)
	require.Len(t, s.TopASN, 1)

	code, _, stderr = call(t, nil, "--geo-city", sample, sample)
	require.Equal(t, exitUnread, code)
	require.Contains(t, stderr, "not a MaxMind database")
}

// TestWorkers checks that the number of workers does not change the answer. Only the slow
// transactions may differ, because each worker has its own threshold.
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
	for _, want := range []string{"── PACKETS", "── DNS", "nothing to show of DHCP, BGP, PCAP", "top names of two labels"} {
		require.Contains(t, stdout, want)
	}
	require.NotContains(t, stdout, "\x1b", "a file wants no colour")
	require.Contains(t, stdout[strings.LastIndex(strings.TrimSpace(stdout), "\n1,000"):], "1,000 packets, all analysed; the answer covers all", "the last line")

	_, stdout, _ = call(t, nil, "--format", "text", "-a", "--color", "always", sample)
	require.Contains(t, stdout, "── PCAP")
	require.Contains(t, stdout, "\x1b[1;36m")
}

// TestWidth checks that the width comes from the option, from COLUMNS, or is 80.
func TestWidth(t *testing.T) {
	widest := func(args ...string) (most int) {
		_, stdout, _ := call(t, nil, append(args, "--format", "text", sample)...)
		for line := range strings.Lines(stdout) {
			most = max(most, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")))
		}
		return most
	}
	t.Setenv("COLUMNS", "")
	require.InDelta(t, 80, widest(), 1)
	t.Setenv("COLUMNS", "132")
	require.InDelta(t, 132, widest(), 1)
	require.InDelta(t, 200, widest("--width", "200"), 1)
	require.LessOrEqual(t, widest("--width", "40"), 40)
	t.Setenv("COLUMNS", "nonsense")
	require.InDelta(t, 80, widest(), 1)
}

// TestPktvisorFormat checks that the output has the JSON of pktvisor-reader and nothing else.
func TestPktvisorFormat(t *testing.T) {
	_, stdout, stderr := call(t, nil, "--format", "pktvisor", sample)
	var doc map[string]any
	require.NoError(t, json.Unmarshal([]byte(stdout), &doc))
	require.Len(t, doc, 1)
	require.Contains(t, doc, "5m")
	require.NotContains(t, stdout, "edns", "a metric that pktvisor lacks")
	require.Contains(t, stderr, "1,000 packets, all analysed")
}

// TestRSSAC writes the same YAML from a capture and from its snapshot.
func TestRSSAC(t *testing.T) {
	snapshot := filepath.Join(t.TempDir(), "day.vsnap")
	code, fromCapture, _ := call(t, nil, "--format", "rssac002", "--service", "test", "--write-snapshot", snapshot, sample)
	require.Equal(t, exitDone, code)
	require.Contains(t, fromCapture, "service: test\nstart-period: 2026-01-01T00:00:00Z\nmetric: traffic-volume\ndns-udp-queries-received-ipv4: 186\n")
	code, fromSnapshot, _ := call(t, nil, "--format", "rssac002", "--service", "test", snapshot)
	require.Equal(t, exitDone, code)
	require.Equal(t, fromCapture, fromSnapshot)
	code, _, stderr := call(t, nil, "--format", "rssac002", sample)
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "--service NAME")
}

// TestClamped checks that numbers out of range are clamped with a warning, as in pktvisor.
func TestClamped(t *testing.T) {
	for _, tt := range []struct{ flag, given, want string }{
		{"--periods", "99", "--periods 99: must be from 1 to 10; 10 is used"},
		{"--periods", "-1", "--periods -1: must be from 1 to 10; 1 is used"},
		{"--max-deep-sample", "0", "--max-deep-sample 0: must be from 1 to 100; 1 is used"},
		{"--max-deep-sample", "101", "--max-deep-sample 101: must be from 1 to 100; 100 is used"},
	} {
		code, stdout, stderr := call(t, nil, tt.flag, tt.given, sample)
		require.Equal(t, exitDone, code)
		require.Contains(t, stderr, "visor-reader: warning: "+tt.want+"\n")
		parse(t, stdout)
	}
}

// account is the part of the JSON about the input.
type account struct {
	Account struct {
		Offered, Analysed, Filtered, Undecodable uint64

		NotSampled uint64 `json:"not_sampled"`
		Reasons    []struct{ Text string }
	}
	Coverage struct{ Frames, Of uint64 }
	Errors   []string
	Hints    []string
}

func accountOf(t testing.TB, stdout string) (a account) {
	require.NoError(t, json.Unmarshal([]byte(stdout), &a))
	return a
}

// TestAccount checks the account of all packets, and the hints for an empty answer.
func TestAccount(t *testing.T) {
	_, stdout, stderr := call(t, nil, "-b", "udp port 53", sample)
	a := accountOf(t, stdout)
	require.EqualValues(t, 1000, a.Account.Offered)
	require.Equal(t, a.Account.Offered, a.Account.Analysed+a.Account.Filtered)
	require.NotZero(t, a.Account.Filtered)
	require.Contains(t, stderr, " filtered; the answer covers all of the input")

	_, stdout, stderr = call(t, nil, "-b", "ip proto 99", sample)
	a = accountOf(t, stdout)
	require.EqualValues(t, 1000, a.Account.Filtered)
	require.Equal(t, []string{"-b ip proto 99 lets no packet through"}, a.Hints)
	require.Contains(t, stderr, "1,000 packets: 0 analysed, 1,000 filtered; the answer is empty")

	for _, args := range [][]string{{"--from", "2027-01-01"}, {"--from", "2025-01-01", "--to", "2025-01-02"}} {
		_, stdout, _ = call(t, nil, append(args, sample)...)
		require.Equal(t, []string{"no packet is in the time of --from and --to"}, accountOf(t, stdout).Hints)
		_, stdout, _ = call(t, nil, append(args, "-b", "udp", sample)...)
		require.Equal(t, []string{"-b udp lets no packet through in the time of --from and --to"}, accountOf(t, stdout).Hints)
	}

	_, stdout, _ = call(t, nil, "--max-deep-sample", "10", sample)
	a = accountOf(t, stdout)
	require.Equal(t, a.Account.Offered, a.Account.Analysed+a.Account.NotSampled)
	require.InDelta(t, 900, float64(a.Account.NotSampled), 60)

	_, stdout, stderr = call(t, nil, "-i", "netflow", sample)
	require.Contains(t, accountOf(t, stdout).Hints[0], "no flow record was found")
	require.Contains(t, stderr, "1,000 packets: 1,000 read;")

	for port, input := range map[string]string{"2055": "netflow", "6343": "sflow", "9": ""} {
		_, stdout, _ = call(t, nil, "-H", "192.0.2.0/24", writePackets(t, decode.LinkEthernet, "192.0.2.1:"+port, 0, 1))
		var want []string
		if input != "" {
			want = []string{"most packets go to port " + port + ", where devices export flows: -i " + input + " summarises the flows"}
		}
		require.Equal(t, want, accountOf(t, stdout).Hints)
	}

	_, stdout, _ = call(t, nil, "-H", "203.0.113.77/32", sample)
	require.Equal(t, []string{"the direction of all packets is unknown: no packet is from or to the networks of -H"}, accountOf(t, stdout).Hints)
	_, stdout, _ = call(t, nil, "-H", trafficgen.LocalNets, sample)
	require.Empty(t, accountOf(t, stdout).Hints)
}

// writeCapture writes a capture of UDP packets at the given seconds, and returns its path.
func writeCapture(t testing.TB, link decode.LinkType, seconds ...int) string {
	return writePackets(t, link, "192.0.2.1:9", seconds...)
}

// writePackets is writeCapture with a destination.
func writePackets(t testing.TB, link decode.LinkType, to string, seconds ...int) string {
	path := filepath.Join(t.TempDir(), "made.pcap")
	f, err := os.Create(path)
	require.NoError(t, err)
	w, err := pcapfile.NewWriter(f, pcapfile.WriterConfig{Link: link})
	require.NoError(t, err)
	for _, second := range seconds {
		frame := packettest.UDP(0, "198.51.100.9:5000", to, []byte("discarded"))
		frame.TimeNS += int64(second) * 1e9
		frame.Link = link
		require.NoError(t, w.WriteFrame(frame))
	}
	require.NoError(t, w.Flush())
	require.NoError(t, f.Close())
	return path
}

// TestSilenceOfADay checks that the minutes before a day of silence are not among the last five.
func TestSilenceOfADay(t *testing.T) {
	seconds := []int{0, 60, 120, 180}
	for range 9 { // enough packets for the timestamp to be accepted
		seconds = append(seconds, 86400)
	}
	path := writeCapture(t, decode.LinkEthernet, seconds...)
	code, stdout, stderr := call(t, nil, "--periods", "5", path)
	require.Equal(t, exitDone, code)
	require.Equal(t, uint64(9), parse(t, stdout)["5m"].Packets.Total)
	a := accountOf(t, stdout)
	require.Equal(t, []uint64{9, 13}, []uint64{a.Coverage.Frames, a.Coverage.Of})
	require.Contains(t, a.Hints, "without --periods the answer has all 24h of the input")
	require.Contains(t, stderr, "13 packets, all analysed; the answer covers 9 of them (69.2%), the last 1s of 24h: 2026-01-02 00:00:00 UTC\n")

	_, stdout, stderr = call(t, nil, "--periods", "1", path)
	require.Equal(t, uint64(13), parse(t, stdout)["1m"].Packets.Total)
	require.Contains(t, stderr, "the answer covers all of the input, 2026-01-01 00:00:00 to 2026-01-02 00:00:00 UTC")
	_, stdout, stderr = call(t, nil, path)
	require.Equal(t, uint64(13), parse(t, stdout)["1440m"].Packets.Total)
	require.Contains(t, stderr, "the answer covers all of the input, 2026-01-01 00:00:00 to 2026-01-02 00:00:00 UTC")
}

// TestUndecodable checks that an unknown link type is named.
func TestUndecodable(t *testing.T) {
	_, stdout, stderr := call(t, nil, writeCapture(t, 65000, 0, 1, 2))
	require.EqualValues(t, 3, accountOf(t, stdout).Account.Undecodable)
	require.Contains(t, stderr, "left out: unknown link type 65000 (3)\n")
}

// TestSomeFiles checks that readable files are shown, and that the exit code reports the others.
func TestSomeFiles(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pcap")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for _, bad := range []string{empty, "main.go", "missing.pcap", "testdata"} {
		code, stdout, stderr := call(t, nil, bad, sample)
		require.Equal(t, exitUnread, code, bad)
		require.Equal(t, uint64(1000), parse(t, stdout)["4m"].Packets.Total, bad)
		require.Contains(t, stderr, bad)
		require.Len(t, accountOf(t, stdout).Errors, 1)
		require.Contains(t, accountOf(t, stdout).Errors[0], bad)
		require.Contains(t, stderr, "the answer covers all that could be read, 2026")
	}
}

// TestNamesControlNothing checks that the name of a file does not control the terminal.
func TestNamesControlNothing(t *testing.T) {
	dir := t.TempDir()
	packets, err := os.ReadFile(sample)
	require.NoError(t, err)
	name, text := filepath.Join(dir, "a\x1b[2J\n\xff.pcap"), filepath.Join(dir, "b\x1b[2J.pcap")
	require.NoError(t, os.WriteFile(name, packets, 0o600))
	require.NoError(t, os.WriteFile(text, []byte("text"), 0o600))
	_, stdout, stderr := call(t, nil, "--format", "text", name, name, text, text+"\r")
	require.Contains(t, stderr, "is read twice")
	require.Contains(t, stderr, "not a capture file")
	require.Contains(t, stderr, "no such file")
	require.NotContains(t, stdout+stderr, "\x1b")
	require.NotContains(t, stdout+stderr, "\r")
	require.NotContains(t, stdout+stderr, "\xff")
}

// TestOtherKinds checks that the error for a file of another kind, or for such data in a pipe,
// names the kind and what to do.
func TestOtherKinds(t *testing.T) {
	dir := t.TempDir()
	snapshot := filepath.Join(dir, "s")
	code, _, stderr := call(t, nil, "--write-snapshot", snapshot, sample)
	require.Equal(t, exitDone, code, stderr)
	packets, err := os.ReadFile(sample)
	require.NoError(t, err)
	counts, err := os.ReadFile(snapshot)
	require.NoError(t, err)
	for _, tt := range []struct {
		content []byte
		args    []string
		want    string
	}{
		{[]byte{0, 0, 0, 0, 0, 0, 0, 34, 0, 0, 0, 2}, nil, "for a dnstap file use -i dnstap"},
		{packets, []string{"-i", "dnstap"}, "it is a capture of packets: leave out -i dnstap"},
		{counts, nil, "it is a snapshot of visor: write it to a file, and name that as FILE"},
		{counts, []string{"-i", "dnstap"}, "it is a snapshot of visor: write it to a file, and name that as FILE"},
	} {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, err := w.Write(tt.content)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		forms := [][]byte{tt.content, packed.Bytes()}
		isSnapshot := bytes.Equal(tt.content, counts)
		if isSnapshot { // it is compressed already
			forms = forms[:1]
		}
		for _, content := range forms {
			code, stdout, stderr := call(t, bytes.NewReader(content), append(tt.args, "-")...)
			require.Equal(t, exitUnread, code)
			require.Empty(t, stdout)
			require.Contains(t, stderr, tt.want)

			path := filepath.Join(dir, "file")
			require.NoError(t, os.WriteFile(path, content, 0o600))
			f, err := os.Open(path)
			require.NoError(t, err)
			_, _, stderr = call(t, f, append(tt.args, "-")...)
			require.NoError(t, f.Close())
			require.Contains(t, stderr, tt.want)
			if !isSnapshot { // it would be read
				_, _, stderr = call(t, nil, append(tt.args, path)...)
				require.Contains(t, stderr, tt.want)
			}
		}
	}
}

// TestPatterns checks that patterns are expanded, because shells of Windows do not, but existing
// file names are not.
func TestPatterns(t *testing.T) {
	dir := t.TempDir()
	raw, err := os.ReadFile(sample)
	require.NoError(t, err)
	for _, name := range []string{"a.pcap", "b.pcap", "[a].pcap"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), raw, 0o600))
	}
	_, stdout, _ := call(t, nil, filepath.Join(dir, "?.pcap"))
	require.Equal(t, uint64(2000), parse(t, stdout)["4m"].Packets.Total)
	_, stdout, _ = call(t, nil, filepath.Join(dir, "[a].pcap"))
	require.Equal(t, uint64(1000), parse(t, stdout)["4m"].Packets.Total)
	code, _, stderr := call(t, nil, filepath.Join(dir, "*.pcapng"))
	require.Equal(t, exitUnread, code)
	require.Contains(t, stderr, "*.pcapng")
}

// TestDamage checks that the packets before a damage and its position are shown.
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
		require.Equal(t, 1, strings.Count(stderr, "offset"), "once: %s", stderr)
		require.Len(t, accountOf(t, stdout).Errors, 1)
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
		{[]string{"--periods", "x", sample}, exitMisused, "invalid argument"},
		{[]string{"-j", "0", sample}, exitMisused, "-j 0: must be from 1 to 64"},
		{[]string{"-i", "ipx", sample}, exitMisused, "-i ipx: unknown type of input"},
		{[]string{"-i", "dnstap", sample}, exitUnread, "not Frame Streams"},
		{[]string{"-i", "dnstap", sample}, exitUnread, "it is a capture of packets: leave out -i dnstap"},
		{[]string{"-H", "192.0.2.1", sample}, exitMisused, "-H 192.0.2.1: invalid CIDR: 192.0.2.1; did you mean 192.0.2.1/32 or 192.0.2.0/24?"},
		{[]string{"-H", "192.0.2.0/24,2001:db8::1", sample}, exitMisused, "-H 192.0.2.0/24,2001:db8::1: invalid CIDR: 2001:db8::1; did you mean 2001:db8::1/128 or 2001:db8::/64?"},
		{[]string{"-H", "example", sample}, exitMisused, "-H example: invalid CIDR: example"},
		{[]string{"--format", "xml", sample}, exitMisused, "--format xml: must be text, json, pktvisor or rssac002"},
		{[]string{"--color", "red", sample}, exitMisused, "--color red: must be always, never or auto"},
		{[]string{"--width", "-3", sample}, exitMisused, "--width -3: must be a number of columns"},
		{[]string{"testdata"}, exitUnread, "testdata is a directory: name its files, such as testdata/*.pcap"},
		{[]string{"-b", "dns and host 192.0.2.1", sample}, exitMisused, "did you mean 'port 53'?"},
		{[]string{"--anonymize", "24", sample}, exitMisused, "--anonymize 24: must be two lengths, as 24,48, or a file with a key"},
		{[]string{"--write-snapshot", "-", sample}, exitMisused, "--write-snapshot -: must be a file"},
		{[]string{"-", sample, "-"}, exitMisused, "- is named twice"},
		{[]string{"missing.pcap"}, exitUnread, "missing.pcap"},
		{[]string{"main.go"}, exitUnread, "main.go"},
	} {
		code, stdout, stderr := call(t, nil, tt.args...)
		require.Equal(t, tt.code, code, tt.args)
		require.Contains(t, stderr, tt.want)
		require.Empty(t, stdout)
		require.Equal(t, tt.code == exitMisused && !strings.HasPrefix(tt.want, "did you mean"), strings.Contains(stderr, "--help"))
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

// TestInterrupted interrupts a read from standard input. The packets read so far are shown.
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
	require.Contains(t, stderr.String(), "the answer covers all that could be read")
	parse(t, stdout.String())
}

// full is a writer that fails like a full disk.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestCannotWrite(t *testing.T) {
	for _, arg := range []string{sample, "-h", "--version"} {
		var stderr bytes.Buffer
		require.Equal(t, exitUnread, run(t.Context(), []string{arg}, nil, full{}, &stderr), arg)
		require.Contains(t, stderr.String(), os.ErrClosed.Error())
	}
}

// TestReadTwice names a capture twice, also by a link.
func TestReadTwice(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link.pcap")
	path, err := filepath.Abs(sample)
	require.NoError(t, err)
	require.NoError(t, os.Symlink(path, link))
	code, stdout, stderr := call(t, nil, path, link)
	require.Equal(t, exitDone, code)
	require.Contains(t, stderr, "link.pcap is read twice, and its packets count twice")
	require.EqualValues(t, 2000, accountOf(t, stdout).Account.Offered)
}

// TestFlows summarises the flow records of a router.
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
		var doc map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(stdout), &doc))
		var answer map[string]struct {
			Devices map[string]struct {
				Interfaces map[string]struct {
					InBytes uint64 `json:"in_bytes"`
				} `json:"interfaces"`
			} `json:"devices"`
		}
		require.NoError(t, json.Unmarshal(doc["1m"], &answer))
		require.Len(t, answer, 1)
		require.Equal(t, uint64(1500), answer["flow"].Devices["192.0.2.254"].Interfaces["1"].InBytes)
	}
}

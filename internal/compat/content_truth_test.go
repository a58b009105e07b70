package compat_test

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/pcapfile"
	"visor/decode/dnsmsg"
	"visor/handler"
	"visor/handler/dns"
	"visor/internal/racetest"
	"visor/internal/sharedtest"
)

// contentFields are tshark's fields of what messages contain.
var contentFields = []string{
	"dns.flags.response", "dns.flags.opcode", "dns.flags.truncated", "dns.flags.authoritative", "dns.flags.authenticated",
	"dns.flags.checkdisable", "dns.flags.recdesired", "dns.resp.z.do", "dns.opt.ext_error.info_code", "dns.opt.code", "udp.length",
	"dns.length",
}

// TestTruthContent compares what messages contain with tshark's fields, on all captures of DNS in
// which both find the same messages, one in a frame.
func TestTruthContent(t *testing.T) {
	racetest.SkipLong(t)
	files := contentCaptures(t)
	compared, messages := 0, uint64(0)
	for _, file := range files {
		want, ok := tsharkContent(t, file)
		if !ok {
			continue
		}
		got := visorContent(t, file)
		if got["query"] != want["query"] || got["reply"] != want["reply"] || got["size"] != want["size"] {
			continue // TestTruth compares which messages are found
		}
		compared, messages = compared+1, messages+want["query"]+want["reply"]
		require.Equal(t, want, got, file)
	}
	t.Logf("%d of %d captures compared, with %d messages", compared, len(files), messages)
	require.Greater(t, compared, len(files)/2)
}

// contentCaptures returns the captures of DNS in the corpus. It skips the test without tshark.
func contentCaptures(t *testing.T) []string {
	root := sharedtest.Dir(t, "corpus")
	if testing.Short() {
		t.Skip("skipped: -short leaves out a hundred runs of tshark")
	}
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("skipped: tshark is not installed")
	}
	files, err := filepath.Glob(filepath.Join(root, "dns", "*.pcap*"))
	require.NoError(t, err)
	return files
}

// tsharkFields returns fields of tshark for the frames that a filter selects. It returns false if
// tshark cannot read the capture, or if a frame has several messages, whose fields cannot be
// separated.
func tsharkFields(t *testing.T, file, filter string, names []string) (out []map[string]string, ok bool) {
	args := []string{"-r", file, "-Y", filter, "-T", "fields", "-E", "separator=|"}
	for _, f := range names {
		args = append(args, "-e", f)
	}
	cmd := exec.Command("tshark", args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	text, err := cmd.Output()
	if err != nil {
		return nil, false
	}
	for line := range strings.Lines(string(text)) {
		fields := map[string]string{}
		for i, v := range strings.Split(strings.TrimRight(line, "\n"), "|") {
			if i < len(names) {
				fields[names[i]] = v
			}
		}
		if strings.Contains(fields["dns.flags.response"], ",") {
			return nil, false
		}
		out = append(out, fields)
	}
	return out, true
}

// tsharkContent returns tshark's counts. It returns false without comparable ones.
func tsharkContent(t *testing.T, file string) (map[string]uint64, bool) {
	lines, ok := tsharkFields(t, file, "dns && !icmp && !icmpv6", contentFields)
	if !ok {
		return nil, false
	}
	counts := map[string]uint64{}
	for _, fields := range lines {
		countFields(counts, fields)
	}
	maps.DeleteFunc(counts, func(_ string, n uint64) bool { return n == 0 })
	return counts, true
}

func countFields(counts map[string]uint64, fields map[string]string) {
	if fields["dns.flags.response"] == "" {
		return
	}
	reply := fields["dns.flags.response"] == "1"
	kind := map[bool]string{false: "query", true: "reply"}[reply]
	counts[kind]++
	opcode, _ := strconv.Atoi(fields["dns.flags.opcode"])
	counts["opcode "+dnsmsg.Opcode(opcode).String()]++
	for name, of := range map[string]bool{"truncated": true, "authoritative": true, "authenticated": true, "checkdisable": false, "recdesired": false} {
		if of == reply && fields["dns.flags."+name] == "1" {
			counts[name]++
		}
	}
	if !reply && fields["dns.resp.z.do"] == "1" {
		counts["DO"]++
	}
	if fields["dns.resp.z.do"] != "" {
		counts["EDNS "+kind]++
	}
	for code := range strings.SplitSeq(fields["dns.opt.ext_error.info_code"], ",") {
		if n, err := strconv.Atoi(code); err == nil && reply {
			counts["ede "+dnsmsg.ExtendedError(n).String()]++
		}
	}
	if !reply {
		seen := "," + fields["dns.opt.code"] + ","
		for code, name := range map[string]string{"3": "NSID", "8": "subnet", "10": "cookie"} {
			if strings.Contains(seen, ","+code+",") {
				counts[name]++
			}
		}
	}
	size, err := strconv.Atoi(fields["dns.length"])
	if err != nil {
		size, _ = strconv.Atoi(fields["udp.length"])
		size -= 8
	}
	counts["size"] += uint64(size / 16)
}

// visorContent returns visor's counts.
func visorContent(t *testing.T, file string) map[string]uint64 {
	src, err := pcapfile.Open(file)
	require.NoError(t, err)
	h, err := dns.New(dns.Config{Settings: handler.Settings{Periods: 1}})
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{src}, Handlers: []handler.Handler{h}, DNSPorts: []uint16{53}})
	require.NoError(t, err)
	_ = p.Run(context.Background()) // captures that end within a packet
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	m := dns.From(snap)
	counts := map[string]uint64{
		"query": m.Queries.Value(), "reply": m.Replies.Value(), "truncated": m.Bits.TC.Value(), "authoritative": m.Bits.AA.Value(),
		"authenticated": m.Bits.AD.Value(), "checkdisable": m.Bits.CD.Value(), "recdesired": m.Bits.RD.Value(),
		"DO": m.EDNS.DO.Value(), "EDNS query": m.EDNS.Queries.Value(), "EDNS reply": m.EDNS.Replies.Value(),
		"NSID": m.EDNS.NSID.Value(), "subnet": m.EDNS.Subnets.Value(), "cookie": m.EDNS.Cookies.Value(),
	}
	for _, e := range m.Bits.TopOpcodes.Top(16) {
		counts["opcode "+e.Key.String()] = e.Lower
	}
	for _, e := range m.EDNS.TopEDE.Top(100) {
		counts["ede "+e.Key.String()] = e.Lower
	}
	for _, v := range []*dns.Volume{&m.Traffic.UDP, &m.Traffic.TCP} {
		for size, n := range v.QuerySizes.Bins() {
			counts["size"] += uint64(size/16) * n
		}
		for size, n := range v.ReplySizes.Bins() {
			counts["size"] += uint64(size/16) * n
		}
	}
	maps.DeleteFunc(counts, func(_ string, n uint64) bool { return n == 0 })
	return counts
}

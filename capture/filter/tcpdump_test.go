package filter_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/filter"
	"visor/capture/pcapfile"
	"visor/decode"
	"visor/internal/racetest"
	"visor/internal/sharedtest"
)

// links maps the compared link types to tcpdump's names.
var names = map[decode.LinkType]string{
	decode.LinkEthernet: "EN10MB", decode.LinkSLL: "LINUX_SLL", decode.LinkSLL2: "LINUX_SLL2", decode.LinkRaw: "RAW",
	decode.LinkNull: "NULL", decode.LinkLoop: "LOOP", decode.LinkIPv4: "IPV4", decode.LinkIPv6: "IPV6",
	decode.LinkPPP: "PPP", decode.LinkHDLC: "C_HDLC", decode.LinkARCNet: "ARCNET", decode.LinkARCNet + 122: "ARCNET_LINUX",
	decode.LinkWiFi: "IEEE802_11", decode.LinkRadiotap: "IEEE802_11_RADIO", decode.LinkPrism: "PRISM_HEADER", decode.LinkAVS: "IEEE802_11_RADIO_AVS",
}

// differences lists expressions for which visor's result differs from tcpdump 4.99.3 with libpcap
// 1.10.3, with the reason.
var differences = map[string]string{
	"byte 12 & 8": "libpcap does not load the byte; visor means byte[12] & 8 != 0, as the grammar says",
	"len / ip[8] > 10": "libpcap forgets that an operand on the right has to be of an IP packet; " +
		"visor asks for what the manual says of packet data accessors",
	"protochain 58":                   "visor looks at 6 headers of a chain, libpcap at any number; one hostile frame has 150",
	"ip6 protochain 58 and not icmp6": "the same",
}

// TestTcpdump compares filters with tcpdump: the frames of the corpus that match, and the
// expressions that are invalid.
func TestTcpdump(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out comparisons with tcpdump")
	}
	if _, err := exec.LookPath("tcpdump"); err != nil {
		t.Skip("skipped: there is no tcpdump command")
	}
	frames := corpus(t)
	expressions := expressions(t)
	require.GreaterOrEqual(t, len(expressions), 150)
	differing := make(map[string]int) // counts frames
	for link, name := range names {
		t.Run(name, func(t *testing.T) {
			if len(frames[link]) == 0 {
				t.Skip("skipped: the corpus has no such frames")
			}
			path := filepath.Join(t.TempDir(), "frames.pcap")
			write(t, path, frames[link])
			passed, refused := 0, 0 // counts runs
			for _, expr := range expressions {
				if unlike(link, expr) {
					continue
				}
				want, reason := tcpdump(t, path, expr)
				program, err := filter.Compile(expr, link)
				if reason != "" {
					assert.Error(t, err, "%s: tcpdump says %s", expr, reason)
					refused++
					continue
				}
				if !assert.NoError(t, err, expr) {
					continue
				}
				for i, f := range frames[link] {
					if _, ok := differences[expr]; ok {
						if program.Match(f.Data, f.WireLen) != want[int64(i)] {
							differing[expr]++
						}
						continue
					}
					if program.Match(f.Data, f.WireLen) != want[int64(i)] {
						t.Errorf("%s: frame %d (%d of %d bytes): tcpdump says %v\n% x\n%v", expr, i, len(f.Data), f.WireLen, want[int64(i)],
							f.Data[:min(80, len(f.Data))], program)
						break
					}
				}
				passed += len(want)
			}
			t.Logf("%d expressions, of which %d are not for this link type; %d frames; %d times let through",
				len(expressions), refused, len(frames[link]), passed)
		})
	}
	for expr, reason := range differences {
		require.NotZero(t, differing[expr], "%s is listed as different, but is not", expr)
		t.Logf("%s: %d frames differ: %s", expr, differing[expr], reason)
	}
}

// unlike reports whether an expression is not compared for a link type. In IEEE 802.11, visor
// rejects 'vlan', whose number libpcap searches in LLC. Frames shorter than their headers claim
// match 'not geneve' and 'ip or not ip'. libpcap rejects them, because it first loads bytes beyond
// the end.
func unlike(link decode.LinkType, expr string) bool {
	wifi := link == decode.LinkWiFi || link == decode.LinkRadiotap || link == decode.LinkPrism || link == decode.LinkAVS
	return wifi && (strings.Contains(expr, "vlan") || strings.Contains(expr, "geneve") || expr == "ip or not ip")
}

// expressions returns the expressions in testdata, one per line.
func expressions(t testing.TB) []string {
	text, err := os.ReadFile("testdata/expressions.txt")
	require.NoError(t, err)
	var list []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			list = append(list, line)
		}
	}
	return list
}

// corpus returns all frames of all captures by link type. Their timestamps are their numbers, in
// microseconds.
func corpus(t *testing.T) map[decode.LinkType][]capture.Frame {
	frames := make(map[decode.LinkType][]capture.Frame)
	err := filepath.WalkDir(sharedtest.Dir(t, "corpus"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		r, err := pcapfile.Open(path)
		if err != nil {
			return nil // not a capture
		}
		defer r.Close()
		var b capture.Batch
		for r.ReadBatch(&b) == nil {
			for _, f := range b.Frames {
				if len(f.Data) == 0 || len(f.Data) > 200_000 || f.Link == decode.LinkNull && !familyOfLinux(f.Data) {
					continue
				}
				f.Data, f.TimeNS = bytes.Clone(f.Data), int64(len(frames[f.Link]))*1000
				frames[f.Link] = append(frames[f.Link], f)
			}
		}
		return nil
	})
	require.NoError(t, err)
	return frames
}

// familyOfLinux reports whether tcpdump recognizes the address family of a frame. It recognizes the
// numbers of the system it runs on, in the byte order of the file.
func familyOfLinux(data []byte) bool {
	return len(data) < 4 || bytes.Equal(data[1:4], []byte{0, 0, 0}) && (data[0] == 2 || data[0] == 10)
}

func write(t *testing.T, path string, frames []capture.Frame) {
	f, err := os.Create(path)
	require.NoError(t, err)
	w, err := pcapfile.NewWriter(f, pcapfile.WriterConfig{Link: frames[0].Link, Micros: true})
	require.NoError(t, err)
	for _, frame := range frames {
		require.NoError(t, w.WriteFrame(frame))
	}
	require.NoError(t, w.Flush())
	require.NoError(t, f.Close())
}

// tcpdump returns the numbers of the frames that match in tcpdump, or its error for the expression.
func tcpdump(t *testing.T, path, expr string) (passed map[int64]bool, refused string) {
	var out, stderr bytes.Buffer
	cmd := exec.Command("tcpdump", "-r", path, "-w", "-", "--", expr)
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		exit := new(exec.ExitError)
		require.True(t, errors.As(err, &exit), "%v", err)
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		last := lines[len(lines)-1]
		if strings.HasSuffix(last, "expression rejects all packets") {
			// no frame matches in visor; this may be a file without matches
			return nil, ""
		}
		return nil, last
	}
	r, err := pcapfile.NewReader(&out, "tcpdump")
	require.NoError(t, err)
	passed = make(map[int64]bool)
	var b capture.Batch
	for r.ReadBatch(&b) == nil {
		for _, f := range b.Frames {
			passed[f.TimeNS/1000] = true
		}
	}
	return passed, ""
}

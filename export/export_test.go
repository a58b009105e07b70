package export_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/export"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/network"
	"visor/handler/pcap"
	"visor/internal/golden"
	"visor/internal/packettest"
	"visor/internal/trafficgen"
)

// summary returns a pipeline that has processed frames.
func summary(t testing.TB, s handler.Settings, frames []capture.Frame) *handler.Pipeline {
	net, err := network.New(network.Config{Settings: s})
	require.NoError(t, err)
	queries, err := dns.New(dns.Config{Settings: s})
	require.NoError(t, err)
	losses, err := pcap.New(pcap.Config{Settings: s})
	require.NoError(t, err)
	own, err := decode.ParseNetSet(trafficgen.LocalNets)
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{
		Sources: []capture.Source{capture.NewMemory(frames)}, Handlers: []handler.Handler{net, queries, losses}, Hosts: own,
	})
	require.NoError(t, err)
	require.NoError(t, p.Run(context.Background()))
	return p
}

func bucket(t testing.TB, s handler.Settings, frames []capture.Frame) *handler.Snapshot {
	snap, err := summary(t, s, frames).Bucket(0)
	require.NoError(t, err)
	return snap
}

// traffic returns the frames of most tests, which only read them.
var traffic = sync.OnceValue(func() []capture.Frame {
	frames, _ := trafficgen.Frames(trafficgen.Mixed(3000))
	return frames
})

// TestGolden compares both formats with files that were reviewed.
func TestGolden(t *testing.T) {
	for name, tt := range map[string]struct {
		settings handler.Settings
		frames   []capture.Frame
	}{
		"all":   {handler.Settings{Enable: []string{"all"}}, traffic()},
		"empty": {handler.Settings{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			snap := bucket(t, tt.settings, tt.frames)
			var out, text bytes.Buffer
			require.NoError(t, export.WriteJSON(&out, snap))
			var indented bytes.Buffer
			require.NoError(t, json.Indent(&indented, out.Bytes(), "", " "))
			golden.Equal(t, "testdata/"+name+".json", indented.Bytes())
			for _, width := range []int{40, 80, 160, 250} {
				text.Reset()
				require.NoError(t, export.WriteText(&text, snap, export.TextConfig{Width: width}))
				golden.Equal(t, fmt.Sprintf("testdata/%s-%d.txt", name, width), text.Bytes())
			}
		})
	}
}

func TestTextFitsItsWidth(t *testing.T) {
	snap := bucket(t, handler.Settings{Enable: []string{"all"}}, traffic())
	for _, width := range []int{40, 60, 80, 120, 160, 200, 250} {
		var out bytes.Buffer
		require.NoError(t, export.WriteText(&out, snap, export.TextConfig{Width: width, All: true}))
		longest := 0
		for line := range strings.Lines(out.String()) {
			n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n"))
			require.LessOrEqual(t, n, width, line)
			longest = max(longest, n)
		}
		require.Greater(t, longest, width-4, "the width is used")
		require.NotContains(t, out.String(), "\x1b", "no colour was asked for")
	}
}

// TestColor checks that colour only adds escape sequences.
func TestColor(t *testing.T) {
	snap := bucket(t, handler.Settings{}, traffic())
	var plain, coloured bytes.Buffer
	require.NoError(t, export.WriteText(&plain, snap, export.TextConfig{}))
	require.NoError(t, export.WriteText(&coloured, snap, export.TextConfig{Color: true}))
	for _, escape := range []string{"\x1b[1;36m", "\x1b[1m", "\x1b[32m", "\x1b[0m"} {
		require.Contains(t, coloured.String(), escape)
		coloured = *bytes.NewBufferString(strings.ReplaceAll(coloured.String(), escape, ""))
	}
	for want := range strings.Lines(plain.String()) {
		got, err := coloured.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, strings.TrimSpace(want), strings.TrimSpace(got))
	}
}

// TestZeros checks that zeros are omitted and listed in text, and shown with All.
func TestZeros(t *testing.T) {
	frames := []capture.Frame{packettest.UDP(0, "198.51.100.9:5000", "192.0.2.1:9", []byte("discarded"))}
	snap := bucket(t, handler.Settings{}, frames)
	var short, long bytes.Buffer
	require.NoError(t, export.WriteText(&short, snap, export.TextConfig{}))
	require.Contains(t, short.String(), "UDP 1")
	require.NotContains(t, short.String(), "SYN 0", "a group of zeros")
	require.Contains(t, short.String(), "nothing to show of DNS, PCAP\n")
	require.NotContains(t, short.String(), "── DNS")
	require.False(t, export.Counted(&snap.Modules[1]))
	require.NoError(t, export.WriteText(&long, snap, export.TextConfig{All: true}))
	for _, want := range []string{"── DNS", "── PCAP", "SYN 0", "SERVFAIL 0", "timed out 0"} {
		require.Contains(t, long.String(), want)
	}
	require.NotContains(t, long.String(), "nothing to show")
}

// TestShares checks that shares refer to the whole list, including entries that are not shown.
func TestShares(t *testing.T) {
	var frames []capture.Frame
	for i := range 40 {
		name := fmt.Sprintf("host%d.example.com", max(i, 30))
		frames = append(frames, packettest.UDP(0, "198.51.100.9:5000", "192.0.2.1:53", packettest.Query(uint16(i), name, 1)))
	}
	var out bytes.Buffer
	require.NoError(t, export.WriteText(&out, bucket(t, handler.Settings{TopN: 2}, frames), export.TextConfig{}))
	require.Contains(t, out.String(), "40   100% ████████ .example.com")
	require.Contains(t, out.String(), "31  77.5% ████████ host30.example.com")
	require.Contains(t, out.String(), " 1   2.5% ▎        host31.example.com")
}

// TestGreatestCount checks the maximum of a counter, which has more digits than a float64.
func TestGreatestCount(t *testing.T) {
	const most = "18,446,744,073,709,551,615"
	snap := bucket(t, handler.Settings{}, traffic())
	network.From(snap).Total.Add(math.MaxUint64)
	var out bytes.Buffer
	require.NoError(t, export.WriteText(&out, snap, export.TextConfig{}))
	require.Contains(t, out.String(), "total "+most)
}

// TestHostileNames has names that could break JSON or control a terminal.
func TestHostileNames(t *testing.T) {
	var frames []capture.Frame
	for i, name := range []string{"\x1b[2Jcls", `quo"te\`, "<script>", "\xFF\xFE", "new\nline", strings.Repeat("long", 15)} {
		frames = append(frames, packettest.UDP(0, "198.51.100.9:5000", "192.0.2.1:53", packettest.Query(uint16(i), name, 1)))
	}
	snap := bucket(t, handler.Settings{}, frames)
	var out, text bytes.Buffer
	require.NoError(t, export.WriteJSON(&out, snap))
	var parsed map[string]map[string]map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &parsed))
	require.Contains(t, out.String(), `"name":"<script>"`, "it is no HTML")
	require.Contains(t, out.String(), `\\027[2jcls`, "escaped as RFC 4343 says")
	require.NoError(t, export.WriteText(&text, snap, export.TextConfig{}))
	require.NotContains(t, text.String(), "\x1b")
	require.Equal(t, 1, strings.Count(out.String(), "\n"), "one line")
}

func TestJSONShape(t *testing.T) {
	f := traffic()[0]
	late := f
	late.TimeNS += int64(90 * time.Second)
	p := summary(t, handler.Settings{}, []capture.Frame{f, late})
	keys := func(snap *handler.Snapshot, err error) (out []string) {
		require.NoError(t, err)
		var b bytes.Buffer
		require.NoError(t, export.WriteJSON(&b, snap))
		var parsed map[string]map[string]struct {
			Period struct {
				Start  int64 `json:"start_ts"`
				Length int64 `json:"length"`
			} `json:"period"`
		}
		require.NoError(t, json.Unmarshal(b.Bytes(), &parsed))
		for window, schemas := range parsed {
			out = append(out, window)
			require.Len(t, schemas, 3)
			require.GreaterOrEqual(t, schemas["packets"].Period.Start, f.TimeNS/1e9)
		}
		return out
	}
	require.Equal(t, []string{"1m"}, keys(p.Bucket(0)))
	require.Equal(t, []string{"1m"}, keys(p.Bucket(1)))
	require.Equal(t, []string{"5m"}, keys(p.Window(5)))

	snap, err := p.Bucket(0)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, export.WritePoliciesJSON(&b, map[string]*handler.Snapshot{"my policy": snap}))
	var policy map[string]map[string]map[string]any
	require.NoError(t, json.Unmarshal(b.Bytes(), &policy))
	require.Contains(t, policy["my policy"]["net"], "packets")
	require.Contains(t, policy["my policy"]["dns"], "dns")
	require.Contains(t, policy["my policy"]["pcap"], "pcap")
}

// TestSilentModules checks that modules without counts are omitted.
func TestSilentModules(t *testing.T) {
	snap := bucket(t, handler.Settings{Disable: []string{"all"}}, traffic())
	var out, text bytes.Buffer
	require.NoError(t, export.WriteJSON(&out, snap))
	require.NotContains(t, out.String(), `"packets"`)
	require.Contains(t, out.String(), `"pcap"`)
	require.NoError(t, export.WriteText(&text, snap, export.TextConfig{}))
	require.NotContains(t, text.String(), "PACKETS")
}

// full is a writer that fails like a full disk.
type full struct{}

var errFull = errors.New("no space left")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriteErrors(t *testing.T) {
	snap := bucket(t, handler.Settings{}, traffic())
	require.ErrorIs(t, export.WriteJSON(full{}, snap), errFull)
	require.ErrorIs(t, export.WritePoliciesJSON(full{}, map[string]*handler.Snapshot{"p": snap}), errFull)
	require.ErrorIs(t, export.WriteText(full{}, snap, export.TextConfig{}), errFull)
}

func BenchmarkWriteJSON(b *testing.B) {
	snap := bucket(b, handler.Settings{}, traffic())
	var out bytes.Buffer
	for b.Loop() {
		out.Reset()
		if err := export.WriteJSON(&out, snap); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleWriteText() {
	q := packettest.Query(1, "www.example.com", 1)
	frames := []capture.Frame{packettest.UDP(0, "198.51.100.9:5000", "192.0.2.1:53", q)}
	h, _ := dns.New(dns.Config{Settings: handler.Settings{Disable: []string{"all"}, Enable: []string{"top_qnames"}}})
	p, _ := handler.NewPipeline(handler.Config{Sources: []capture.Source{capture.NewMemory(frames)}, Handlers: []handler.Handler{h}})
	_ = p.Run(context.Background())
	snap, err := p.Bucket(0)
	if err != nil {
		return
	}
	_ = export.WriteText(os.Stdout, snap, export.TextConfig{Width: 60})
	// Output:
	// ── DNS ──────────────────────── 2026-01-01 00:00:00 UTC, 1s
	// messages  events 1   sampled 1
	//                       p50     p90     p95     p99     max
	// events per second       1       1       1       1       1
	// total per second        1       1       1       1       1
	//
	// top names of two labels
	// 1   100% ████████ .example.com
	//
	// top names of three labels
	// 1   100% ████████ www.example.com
	//
	// top types asked for
	// 1   100% ████████ A
}

func ExampleWriteJSON() {
	h, _ := pcap.New(pcap.Config{})
	p, _ := handler.NewPipeline(handler.Config{Sources: []capture.Source{capture.NewMemory(nil)}, Handlers: []handler.Handler{h}})
	_ = p.Run(context.Background())
	snap, err := p.Bucket(0)
	if err != nil {
		return
	}
	_ = export.WriteJSON(os.Stdout, snap)
	// Output: {"1m":{"pcap":{"if_drops":0,"os_drops":0,"period":{"length":0,"start_ts":0},"tcp_reassembly_errors":0}}}
}

// TestWindowKey checks the key of a window: its length in minutes, as in pktvisor, or in seconds if
// it is not whole minutes.
func TestWindowKey(t *testing.T) {
	for _, tt := range []struct {
		window int
		period time.Duration
		want   string
	}{
		{0, 0, "1m"}, {5, 0, "5m"}, {5, time.Minute, "5m"}, {0, time.Hour, "60m"}, {3, 10 * time.Second, "30s"}, {6, 10 * time.Second, "1m"},
	} {
		var b bytes.Buffer
		require.NoError(t, export.WriteJSON(&b, &handler.Snapshot{Window: tt.window, Period: tt.period}))
		require.Equal(t, "{\""+tt.want+"\":{}}\n", b.String())
	}
}

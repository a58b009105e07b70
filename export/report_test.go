package export_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/export"
	"visor/handler"
	"visor/handler/dhcp"
	"visor/handler/network"
	"visor/internal/packettest"
)

// hour is a pipeline that has processed an hour with a packet per second, and two more of an
// unknown link type.
func hour(t *testing.T, filter func(*capture.Frame) (bool, error)) *handler.Pipeline {
	var frames []capture.Frame
	for second := range 3600 {
		f := packettest.UDP(0, "198.51.100.9:5000", "192.0.2.1:9", []byte("discarded"))
		f.TimeNS += int64(second) * int64(time.Second)
		frames = append(frames, f)
	}
	frames[0].Link, frames[1].Link = 9999, 9999
	net, err := network.New(network.Config{})
	require.NoError(t, err)
	src := capture.Filter(capture.NewMemory(frames), filter)
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{src}, Handlers: []handler.Handler{net}})
	require.NoError(t, err)
	require.NoError(t, p.Run(t.Context()))
	return p
}

// TestUnread has a message that only its handler cannot parse.
func TestUnread(t *testing.T) {
	leases, err := dhcp.New(dhcp.Config{})
	require.NoError(t, err)
	cut := packettest.UDP(0, "0.0.0.0:68", "255.255.255.255:67", []byte{1, 1, 6, 0})
	p, err := handler.NewPipeline(handler.Config{
		Sources: []capture.Source{capture.NewMemory([]capture.Frame{cut})}, Handlers: []handler.Handler{leases},
	})
	require.NoError(t, err)
	require.NoError(t, p.Run(t.Context()))
	snap, err := p.Window(5)
	require.NoError(t, err)
	r := export.NewReport(p, snap)
	require.Equal(t, "left out: DHCP message cut or malformed (1)", r.Lines()[0])
}

func TestReport(t *testing.T) {
	p := hour(t, func(f *capture.Frame) (bool, error) { return f.TimeNS/1e9%10 != 5, nil })
	snap, err := p.Window(5)
	require.NoError(t, err)
	r := export.NewReport(p, snap)
	require.Equal(t, []string{
		"left out: unknown link type 9999 (2)",
		"3,600 packets: 3,238 analysed, 360 filtered, 2 undecodable; " +
			"the answer covers 270 of them (8.3%), the last 4m59s of 59m59s: 2026-01-01 00:55:00 to 00:59:59 UTC",
	}, r.Lines())
	require.False(t, r.Coverage.All())

	r.Errors, r.Hints = []string{"a.pcap is\x1b[2J empty"}, []string{"try"}
	lines := r.Lines()
	require.Equal(t, "a.pcap is\ufffd[2J empty", lines[0])
	require.Equal(t, "try", lines[2])

	one := export.Report{Account: handler.Account{Offered: 1, Analysed: 1}, Errors: []string{"cut"}}
	one.Coverage = export.Coverage{Frames: 1, Of: 1, First: time.Unix(0, 5), Last: time.Unix(0, 7)}
	require.Equal(t, "1 packet, all analysed; the answer covers all that could be read, 1970-01-01 00:00:00 UTC", one.Lines()[1])

	var out bytes.Buffer
	require.NoError(t, export.WriteReportJSON(&out, snap, &r))
	var doc map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(out.Bytes(), &doc))
	require.Len(t, doc, 5)
	require.Contains(t, string(doc["5m"]), `"packets"`)
	require.JSONEq(t, `{"offered":3600,"analysed":3238,"filtered":360,"not_sampled":0,"undecodable":2,"dropped":0,
		"reasons":[{"text":"unknown link type 9999","count":2}]}`, string(doc["account"]))
	require.JSONEq(t, `{"frames":270,"of":3240,"from":"2026-01-01T00:55:00Z","to":"2026-01-01T00:59:59Z",
		"first":"2026-01-01T00:00:00Z","last":"2026-01-01T00:59:59Z"}`, string(doc["coverage"]))
	require.JSONEq(t, `["a.pcap is\u001b[2J empty"]`, string(doc["errors"]))
	require.JSONEq(t, `["try"]`, string(doc["hints"]))
}

// TestReportOfNothing has a filter that rejects everything, and a filter without input.
func TestReportOfNothing(t *testing.T) {
	p := hour(t, func(*capture.Frame) (bool, error) { return false, nil })
	snap, err := p.Window(5)
	require.NoError(t, err)
	r := export.NewReport(p, snap)
	require.Equal(t, []string{"3,600 packets: 0 analysed, 3,600 filtered; the answer is empty"}, r.Lines())
	var out bytes.Buffer
	require.NoError(t, export.WriteReportJSON(&out, snap, &r))
	require.Contains(t, out.String(), `"from":null`)
	require.Contains(t, out.String(), `"reasons":[]`)
	require.NotContains(t, out.String(), "hints")

	p = summary(t, handler.Settings{}, nil)
	snap, err = p.Bucket(0)
	require.NoError(t, err)
	r = export.NewReport(p, snap)
	r.Unit = "messages"
	require.Equal(t, []string{"no messages; the answer is empty"}, r.Lines())
	r.Reasons = make([]capture.Reason, 20)
	require.True(t, strings.HasSuffix(r.Lines()[0], "12 more reasons"))
}

func TestBrief(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "1s", time.Second / 3: "1s", 59 * time.Second: "59s", time.Minute: "1m", 90 * time.Second: "1m30s",
		10 * time.Minute: "10m", time.Hour: "1h", 90 * time.Minute: "1h30m", 30 * time.Hour: "30h", time.Hour + time.Second: "1h0m1s",
		47 * time.Hour: "47h", 48 * time.Hour: "2d", 31 * 24 * time.Hour: "31d", 72*time.Hour + 5*time.Minute: "3d5m",
		36742*time.Hour + 46*time.Minute + 34*time.Second: "1530d22h46m34s",
	} {
		require.Equal(t, want, export.Brief(d))
	}
}

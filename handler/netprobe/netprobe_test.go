package netprobe_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/decode/probemsg"
	"visor/export"
	"visor/handler"
	"visor/handler/handlertest"
	"visor/handler/metric"
	"visor/handler/netprobe"
	"visor/internal/golden"
	"visor/internal/packettest"
)

// event is a probe's event at a time after the start of handlertest's traffic.
func event(after time.Duration, kind probemsg.Kind, key uint64, target string) capture.Frame {
	b := probemsg.Event{Kind: kind, Key: key, Target: []byte(target)}.AppendTo(nil)
	return capture.Frame{TimeNS: packettest.UDP(after, "192.0.2.1:1", "192.0.2.2:2", nil).TimeNS, Data: b, WireLen: uint32(len(b)), Link: decode.LinkProbe}
}

func TestConformance(t *testing.T) {
	var frames []capture.Frame
	for i := range 400 {
		at := time.Duration(i) * 50 * time.Millisecond
		frames = append(frames, event(at, probemsg.Sent, uint64(i), fmt.Sprint("target-", i%5)))
		if i%7 > 0 {
			frames = append(frames, event(at+time.Duration(i%9)*time.Millisecond, probemsg.Received, uint64(i), ""))
		}
	}
	handlertest.Run(t, func(s handler.Settings) (handler.Handler, error) { return netprobe.New(netprobe.Config{Settings: s}) }, frames...)
}

func run(t testing.TB, cfg netprobe.Config, frames ...capture.Frame) (*netprobe.Metrics, *handler.Pipeline) {
	h, err := netprobe.New(cfg)
	require.NoError(t, err)
	p := handlertest.Analyse(t, h, capture.NewMemory(frames))
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	return netprobe.From(snap), p
}

func TestTimes(t *testing.T) {
	var frames []capture.Frame
	for i, ms := range []int{10, 14, 12} {
		at := time.Duration(i) * time.Second
		frames = append(frames, event(at, probemsg.Sent, uint64(i), "a"), event(at+time.Duration(ms)*time.Millisecond, probemsg.Received, uint64(i), "a"))
	}
	m, _ := run(t, netprobe.Config{Settings: handler.Settings{Enable: []string{"all"}, Periods: 1}}, frames...)
	a := m.Targets.Find("a")
	require.Equal(t, []uint64{3, 3, 0}, []uint64{a.Attempts.Value(), a.Successes.Value(), a.TimedOut.Value()})
	require.Equal(t, []uint64{10_000, 14_000, 12_000, 3_000}, []uint64{a.Min.Min(), a.Max.Max(), a.Mean.Extremes.Mean(), a.Jitter.Extremes.Mean()})
	require.Equal(t, uint64(3), a.Histogram.Count())
	require.Equal(t, 12_000.0, a.Quantiles.Quantile(0.5))
}

func TestFailures(t *testing.T) {
	m, p := run(t, netprobe.Config{Settings: handler.Settings{Periods: 1}},
		event(0, probemsg.Sent, 1, "never"), event(0, probemsg.Sent, 2, "late"), event(0, probemsg.Sent, 3, "refused"),
		event(1, probemsg.ConnectFailed, 3, "refused"), event(1, probemsg.LookupFailed, 4, "nowhere"), event(1, probemsg.BadAddress, 5, "odd"),
		event(1, probemsg.SocketFailed, 6, "odd"), event(1, probemsg.TimedOut, 7, "odd"), event(1, probemsg.Received, 8, "stranger"),
		capture.Frame{TimeNS: event(0, 0, 0, "").TimeNS, Data: []byte("x"), WireLen: 1, Link: decode.LinkProbe},
		event(2*time.Second, probemsg.Received, 2, "late"), event(3*time.Second, probemsg.Received, 1, "never"))
	for name, want := range map[string][]uint64{
		"never": {1, 0, 0, 0, 1}, "late": {1, 0, 0, 0, 1}, "refused": {1, 0, 1, 0, 0}, "nowhere": {0, 0, 0, 1, 0}, "odd": {0, 0, 2, 0, 1},
	} {
		x := m.Targets.Find(name)
		require.Equal(t, want, []uint64{
			x.Attempts.Value(), x.Successes.Value(), x.ConnectFailures.Value(), x.LookupFailures.Value(), x.TimedOut.Value(),
		}, name)
	}
	require.Nil(t, m.Targets.Find("stranger"))
	require.Equal(t, handler.Account{Offered: 12, Analysed: 11, Undecodable: 1}, p.HandlerAccounts()["netprobe"])
}

// A test may end in the period after the one in which it began.
func TestPeriods(t *testing.T) {
	m, p := run(t, netprobe.Config{Settings: handler.Settings{Periods: 2}},
		event(0, probemsg.Sent, 1, "a"), event(59*time.Second, probemsg.Sent, 2, "a"), event(59900*time.Millisecond, probemsg.Sent, 3, "a"),
		event(60500*time.Millisecond, probemsg.Received, 3, "a"), event(65*time.Second, probemsg.Sent, 4, "a"))
	a := m.Targets.Find("a")
	require.Equal(t, []uint64{1, 1, 1}, []uint64{a.Attempts.Value(), a.Successes.Value(), a.TimedOut.Value()})
	snap, err := p.Bucket(1)
	require.NoError(t, err)
	require.Equal(t, uint64(1), netprobe.From(snap).Targets.Find("a").TimedOut.Value())
	_, err = netprobe.New(netprobe.Config{Timeout: -1})
	require.ErrorContains(t, err, "Timeout")
}

// responded is the event of a whole test of HTTP or DNS.
func responded(after time.Duration, r probemsg.Response) capture.Frame {
	f := event(after, 0, 0, "")
	f.Data = probemsg.Event{Kind: probemsg.Responded, Response: r, Target: []byte("web")}.AppendTo(nil)
	f.WireLen = uint32(len(f.Data))
	return f
}

// TestResponses checks that each response counts one outcome, its codes and its times. Transport
// failures have neither codes nor times.
func TestResponses(t *testing.T) {
	web := func(status uint16, o probemsg.Outcome) probemsg.Response {
		return probemsg.Response{Outcome: o, Status: status, RCode: probemsg.NoRCode, Total: 1000, Lookup: 10, Connect: 20, TLS: 30, First: 40, Size: 500, Expiry: 1 << 31}
	}
	dns := func(code uint16, o probemsg.Outcome) probemsg.Response {
		return probemsg.Response{Outcome: o, RCode: code, Total: 3000, Size: probemsg.NoSize}
	}
	earlier := web(200, probemsg.Success)
	earlier.Expiry = 1 << 30 // a certificate that expires before the last one is the newer one
	m, p := run(t, netprobe.Config{Settings: handler.Settings{Periods: 1, Enable: []string{"all"}}},
		responded(1, web(200, probemsg.Success)), responded(2, web(503, probemsg.BadStatus)), responded(3, web(200, probemsg.BadContent)),
		responded(4, dns(0, probemsg.Success)), responded(5, dns(2, probemsg.BadResponse)), responded(6, dns(probemsg.ParseError, probemsg.BadResponse)),
		responded(7, earlier), event(8, probemsg.Sent, 9, "web"), event(8, probemsg.TimedOut, 9, "web"), event(9, probemsg.Sent, 10, "zeros"))
	x := m.Targets.Find("web")
	require.Equal(t, []uint64{8, 3, 1, 1, 2, 1}, []uint64{
		x.Attempts.Value(), x.Successes.Value(), x.StatusFailures.Value(), x.ContentFailures.Value(), x.DNSFailures.Value(), x.TimedOut.Value(),
	})
	require.Equal(t, uint64(1<<30), x.CertExpiry.Value())
	require.Equal(t, []uint64{7, 4, 7, 7, 7, 7}, []uint64{
		x.Histogram.Count(), x.Size.Count(), x.Lookup.Count(), x.Connect.Count(), x.Handshake.Count(), x.First.Count(),
	})
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, export.WriteJSON(&b, snap))
	golden.Equal(t, "testdata/responses.json", b.Bytes())
	var names []string
	for _, f := range export.Families(snap, export.FamilyConfig{}) {
		names = append(names, strings.TrimPrefix(f.Name, "netprobe_"))
	}
	require.Equal(t, []string{
		"attempts", "successes", "connect_failures", "dns_lookup_failures", "packets_timeout", "http_status_failures", "content_failures", "top_status_codes",
		"dns_response_failures", "top_rcodes", "tls_cert_expiry_epoch_sec", "response_min_us", "response_max_us", "response_avg_us", "response_jitter_us",
		"response_histogram_us", "response_quantiles_us", "response_size_bytes", "response_dns_us", "response_connect_us", "response_tls_us", "response_ttfb_us",
	}, names)
}

// TestGroups has pktvisor's list.
func TestGroups(t *testing.T) {
	_, err := netprobe.New(netprobe.Config{Settings: handler.Settings{Enable: []string{"phases"}}})
	require.ErrorContains(t, err, "unknown metric group \"phases\"; the groups are all, counters, histograms, http_response_phases, quantiles")
	h, err := netprobe.New(netprobe.Config{})
	require.NoError(t, err)
	require.Equal(t, metric.GroupSet(1|4), h.Info().Groups, "counters and histograms")
}

func Example() {
	h, err := netprobe.New(netprobe.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := handler.NewPipeline(handler.Config{
		Sources: []capture.Source{capture.NewMemory([]capture.Frame{ // or a source of capture/probe
			event(0, probemsg.Sent, 1, "resolver"),
			event(12*time.Millisecond, probemsg.Received, 1, "resolver"),
		})},
		Handlers: []handler.Handler{h},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	snap, err := p.Bucket(0)
	if err != nil {
		fmt.Println(err)
		return
	}
	t := netprobe.From(snap).Targets.Find("resolver")
	fmt.Println(t.Successes.Value(), "of", t.Attempts.Value(), "answered, at best in", t.Min.Min(), "µs")
	// Output: 1 of 1 answered, at best in 12000 µs
}

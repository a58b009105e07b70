package prom_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/export"
	"visor/export/prom"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/handlertest"
	"visor/internal/golden"
	"visor/internal/packettest"
	"visor/internal/trafficgen"
)

// pipeline returns a pipeline that has processed frames.
func pipeline(t testing.TB, s handler.Settings, frames []capture.Frame) *handler.Pipeline {
	h, err := dns.New(dns.Config{Settings: s})
	require.NoError(t, err)
	return handlertest.Analyse(t, h, capture.NewMemory(frames))
}

func traffic() []capture.Frame {
	frames, _ := trafficgen.Frames(trafficgen.Mixed(3000))
	return frames
}

func text(t testing.TB, p *handler.Pipeline, cfg prom.Config) string {
	s, err := p.Latest()
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, prom.WriteText(&out, export.Families(s, cfg)))
	return out.String()
}

// TestGolden compares the text with a file that was reviewed, and parses it with Prometheus' own
// parser.
func TestGolden(t *testing.T) {
	p := pipeline(t, handler.Settings{Enable: []string{"all"}, TopN: 3}, traffic())
	cfg := prom.Config{Labels: map[string]string{"policy": "default", "tap": "eth0"}, Instance: "ns1", Handler: true}
	got := text(t, p, cfg)
	golden.Equal(t, "testdata/all.prom", []byte(got))

	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(got))
	require.NoError(t, err)
	require.Greater(t, len(families), 30)
	for name, f := range families {
		for _, m := range f.GetMetric() {
			require.Equal(t, "instance", m.GetLabel()[0].GetName(), name)
		}
	}
}

func TestLabels(t *testing.T) {
	p := pipeline(t, handler.Settings{Name: "mine"}, nil)
	for want, cfg := range map[string]prom.Config{
		`dns_wire_packets_events{} 0`:                         {},
		`dns_wire_packets_events{handler="mine"} 0`:           {Handler: true},
		`dns_wire_packets_events{handler="own",tap="t"} 0`:    {Handler: true, Labels: map[string]string{"handler": "own", "tap": "t"}},
		`dns_wire_packets_events{instance="i",a="1",z="2"} 0`: {Instance: "i", Labels: map[string]string{"z": "2", "a": "1", "instance": "lost"}},
		`dns_wire_packets_events{quoted="a\"b\\c\nd"} 0`:      {Labels: map[string]string{"quoted": "a\"b\\c\nd"}},
	} {
		require.Contains(t, text(t, p, cfg), want+"\n")
	}
}

// TestHostileNames has names that could break the format.
func TestHostileNames(t *testing.T) {
	q := packettest.Query(1, "a\"b\\\n\xFF", 1)
	p := pipeline(t, handler.Settings{}, []capture.Frame{packettest.UDP(0, "198.51.100.9:5000", "192.0.2.1:53", q)})
	got := text(t, p, prom.Config{})
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(got))
	require.NoError(t, err)
	require.Equal(t, `a"b\\\010\255`, families["dns_top_qname2"].GetMetric()[0].GetLabel()[0].GetValue())
}

// TestLatest checks that the last closed period is exported, or the live one before any is closed.
func TestLatest(t *testing.T) {
	f := packettest.UDP(0, "198.51.100.9:5000", "192.0.2.1:53", packettest.Query(1, "a.example", 1))
	late := f
	late.TimeNS += int64(time.Minute)
	require.Contains(t, text(t, pipeline(t, handler.Settings{}, []capture.Frame{f, f}), prom.Config{}), "dns_wire_packets_events{} 2\n")
	require.Contains(t, text(t, pipeline(t, handler.Settings{}, []capture.Frame{f, f, late}), prom.Config{}), "dns_wire_packets_events{} 2\n")
	require.Contains(t, text(t, pipeline(t, handler.Settings{Periods: 1}, []capture.Frame{f, f, late}), prom.Config{}), "dns_wire_packets_events{} 3\n")
}

func TestSilent(t *testing.T) {
	require.Empty(t, text(t, pipeline(t, handler.Settings{Disable: []string{"all"}}, traffic()), prom.Config{}))
}

func TestHandler(t *testing.T) {
	h := prom.Handler(pipeline(t, handler.Settings{}, traffic()), prom.Config{})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	require.Equal(t, 200, w.Code)
	require.Contains(t, w.Header().Get("Content-Type"), "text/plain")
	body, err := io.ReadAll(w.Result().Body)
	require.NoError(t, err)
	require.Contains(t, string(body), "# TYPE dns_wire_packets_queries gauge\n")
}

// full is a writer that fails like a full disk.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestWriteErrors(t *testing.T) {
	require.EqualError(t, prom.WriteText(full{}, nil), "full")
}

func Example() {
	q := packettest.Query(1, "www.example.com", 1)
	h, _ := dns.New(dns.Config{Settings: handler.Settings{Disable: []string{"all"}, Enable: []string{"top_qnames"}}})
	p, err := handler.NewPipeline(handler.Config{
		Sources:  []capture.Source{capture.NewMemory([]capture.Frame{packettest.UDP(0, "198.51.100.9:5000", "192.0.2.1:53", q)})},
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
	w := httptest.NewRecorder()
	prom.Handler(p, prom.Config{Labels: map[string]string{"server": "ns1"}}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "dns_top_q") {
			fmt.Print(line)
		}
	}
	// Output:
	// dns_top_qname2{qname=".example.com",server="ns1"} 1
	// dns_top_qname3{qname="www.example.com",server="ns1"} 1
	// dns_top_qtype{qtype="A",server="ns1"} 1
}

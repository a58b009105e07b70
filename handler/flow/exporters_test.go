package flow_test

import (
	"fmt"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/handler"
	"visor/handler/flow"
	"visor/internal/packettest"
)

// fields are the fixed-length fields of the records that the tests below send.
func fields(id uint16, more ...uint16) []any {
	out := []any{id, uint16(8 + len(more)/2), uint16(8), uint16(4), uint16(12), uint16(4), uint16(7), uint16(2), uint16(11), uint16(2),
		uint16(4), uint16(1), uint16(10), uint16(2), uint16(14), uint16(2), uint16(2), uint16(4)}
	for _, m := range more {
		out = append(out, m)
	}
	return out
}

// ends are the values of fields, of a TCP flow of 10 packets from interface 1 to 2.
func ends(src, dst string, more ...any) []any {
	return append([]any{netip.MustParseAddr(src), netip.MustParseAddr(dst), uint16(1234), uint16(80), uint8(6), uint16(1), uint16(2), uint32(10)}, more...)
}

var octets = []uint16{1, 4} // information element and length

func bytesIn(m *flow.Metrics, device, port string) uint64 {
	return m.Devices.Find(device).Interfaces.Find(port).InBytes.All.Value()
}

// A record observed at ingress counts for its input interface only, and one observed at egress for
// its output.
func TestDirection(t *testing.T) {
	template := packettest.Set(2, fields(256, append(octets, 61, 1)...)...)
	for _, tt := range []struct {
		direction uint8
		in, out   uint64
	}{{0, 1000, 0}, {1, 0, 1000}, {7, 1000, 1000}} {
		data := packettest.Set(256, ends("10.0.0.1", "10.0.0.2", uint32(1000), tt.direction)...)
		m, _ := run(t, flow.Config{}, sent(0, "192.0.2.1", packettest.IPFIX(0, 0, template, data)))
		d := m.Devices.Find("192.0.2.1")
		in, out := uint64(0), uint64(0)
		for _, i := range d.Interfaces.All() {
			in += i.InBytes.All.Value()
			out += i.OutBytes.All.Value()
		}
		require.Equal(t, []uint64{tt.in, tt.out, 1}, []uint64{in, out, d.Records.Value()}, "direction %d", tt.direction)
	}
}

// The reverse direction of a bidirectional flow came in through the output interface of the first
// direction.
func TestBiflow(t *testing.T) {
	const reverse, enterprise = 0x8001, 29305
	template := packettest.Set(2, append(fields(256, 1, 4, reverse, 4), uint32(enterprise))...)
	data := packettest.Set(256, ends("10.0.0.1", "10.0.0.2", uint32(1000), uint32(5000))...)
	m, p := run(t, flow.Config{}, sent(0, "192.0.2.1", packettest.IPFIX(0, 0, template, data)))
	require.Equal(t, uint64(1000), bytesIn(m, "192.0.2.1", "1"))
	require.Equal(t, uint64(5000), bytesIn(m, "192.0.2.1", "2"))
	out := m.Devices.Find("192.0.2.1").Interfaces.Find("1").OutBytes
	require.Equal(t, uint64(5000), out.All.Value())
	require.Equal(t, []string{"10.0.0.2 5000"}, list(&out.TopSrcIPs))
	require.Equal(t, handler.Account{Offered: 2, Analysed: 2}, p.HandlerAccounts()["flow"])
}

// Two exporters behind one address are one device. Their templates and sequence numbers do not mix.
func TestExportersBehindOneAddress(t *testing.T) {
	straight := packettest.Set(0, fields(256, octets...)...)
	swapped := fields(256, octets...)
	swapped[2], swapped[4] = uint16(12), uint16(8)
	var frames []capture.Frame
	for i := range uint32(6) {
		at := time.Duration(i) * time.Second
		one := packettest.NetFlow9(0, 100+i, straight, packettest.Set(256, ends("10.1.1.1", "10.1.1.2", uint32(1000))...))
		two := packettest.NetFlow9(0, 900_000+i, packettest.Set(0, swapped...), packettest.Set(256, ends("10.9.9.2", "10.9.9.1", uint32(300))...))
		frames = append(frames, packettest.UDP(at, "203.0.113.9:40001", receiver, one), packettest.UDP(at+1, "203.0.113.9:40002", receiver, two))
	}
	m, p := run(t, flow.Config{}, frames...)
	d := m.Devices.Find("203.0.113.9")
	require.Zero(t, d.LostDatagrams.Value())
	require.Equal(t, []string{"10.1.1.1 6000", "10.9.9.1 1800"}, list(&d.Interfaces.Find("1").InBytes.TopSrcIPs))
	require.Empty(t, p.Reasons())
}

// Records of a sampler are scaled. Records of a template without a sampler are scaled only by a
// configured rate.
func TestSamplers(t *testing.T) {
	options := packettest.Set(1, uint16(400), uint16(4), uint16(8), uint16(1), uint16(4), uint16(48), uint16(1), uint16(50), uint16(4))
	rate := packettest.Set(400, uint32(1), uint8(1), uint32(100))
	sampled := packettest.Set(0, fields(257, append(octets, 48, 1)...)...)
	whole := packettest.Set(0, fields(258, octets...)...)
	frames := []capture.Frame{
		// source id differs from the flows'
		sent(0, "192.0.2.1", packettest.NetFlow9(256, 0, options, rate)),
		sent(time.Second, "192.0.2.1", packettest.NetFlow9(2304, 0, sampled, whole,
			packettest.Set(257, ends("10.0.0.1", "10.0.0.2", uint32(100), uint8(1))...), packettest.Set(258, ends("10.0.0.7", "10.0.0.2", uint32(100))...))),
	}
	m, _ := run(t, flow.Config{}, frames...)
	in := m.Devices.Find("192.0.2.1").Interfaces.Find("1")
	require.Equal(t, []string{"10.0.0.1 10000", "10.0.0.7 100"}, list(&in.InBytes.TopSrcIPs))

	configured := map[netip.Addr]flow.DeviceConfig{netip.MustParseAddr("192.0.2.1"): {Sampling: 7}}
	m, _ = run(t, flow.Config{Devices: configured}, frames...)
	in = m.Devices.Find("192.0.2.1").Interfaces.Find("1")
	require.Equal(t, []string{"10.0.0.1 10000", "10.0.0.7 700"}, list(&in.InBytes.TopSrcIPs))
}

// A product of count and rate beyond the range of a counter saturates at its highest value.
func TestScalingSaturates(t *testing.T) {
	template := packettest.Set(2, fields(256, 1, 8, 34, 4)...)
	data := packettest.Set(256, ends("10.0.0.1", "10.0.0.2", uint64(1)<<62, uint32(1000))...)
	m, _ := run(t, flow.Config{}, sent(0, "192.0.2.1", packettest.IPFIX(0, 0, template, data)))
	require.Equal(t, ^uint64(0), bytesIn(m, "192.0.2.1", "1"))
}

// Unread data is counted for its device, and is a reason of the pipeline.
func TestUnread(t *testing.T) {
	data := packettest.Set(256, ends("10.0.0.1", "10.0.0.2", uint32(1000))...)
	var frames []capture.Frame
	for i := range uint32(20) {
		frames = append(frames, sent(time.Duration(i)*time.Second, "192.0.2.1", packettest.NetFlow9(1, i, data)))
	}
	late := packettest.NetFlow9(1, 1, packettest.Set(0, fields(256, octets...)...))
	agent := packettest.SFlow("192.0.2.3", 1, packettest.Sample(1, 4, 5))
	unknown := append([]byte{0, 0, 0, 5, 0, 0, 0, 0}, agent[12:]...)
	old := append([]byte{0, 0, 0, 4}, agent[4:]...)
	frames = append(frames,
		sent(20*time.Second, "192.0.2.2", packettest.NetFlow9(1, 0, data)), sent(21*time.Second, "192.0.2.2", late),
		sent(22*time.Second, "192.0.2.4", unknown), sent(22*time.Second, "192.0.2.4", unknown), sent(22*time.Second, "192.0.2.5", old),
		sent(23*time.Second, "192.0.2.6", []byte{0, 5, 0, 3}), sent(23*time.Second, "192.0.2.7", []byte{0, 8, 0, 3}),
	)
	m, p := run(t, flow.Config{}, frames...)
	require.Equal(t, []capture.Reason{
		{Text: "no template yet from 192.0.2.1, data sets", Count: 20},
		{Text: "sFlow agent with address type 0, not decoded, datagrams from 192.0.2.4", Count: 2},
		{Text: "flow datagrams of an unknown version from 192.0.2.7", Count: 1},
		{Text: "malformed flow datagrams from 192.0.2.6", Count: 1},
		{Text: "sFlow datagrams of an unknown version from 192.0.2.5", Count: 1},
	}, p.Reasons())
	require.Equal(t, uint64(20), m.Devices.Find("192.0.2.1").HeldSets.Value())
	require.Equal(t, uint64(1000), bytesIn(m, "192.0.2.2", "1"))
	require.Equal(t, uint64(2), m.Devices.Find("192.0.2.4").Unsupported.Value())
	require.Nil(t, m.Devices.Find("192.0.2.6"), "garbage makes nobody a device")
}

// The number of reasons is bounded under any traffic.
func TestUnreadIsBounded(t *testing.T) {
	var frames []capture.Frame
	for i := range 1000 {
		frames = append(frames, sent(0, fmt.Sprintf("198.51.%d.%d", i/250, i%250), []byte{0, 5, 0, 3}))
	}
	_, p := run(t, flow.Config{}, frames...)
	reasons := p.Reasons()
	require.Len(t, reasons, 65)
	require.Equal(t, capture.Reason{Text: "malformed flow datagrams from other devices", Count: 936}, reasons[0])
}

// NetFlow 9 with sequence numbers that count flows has no loss.
func TestSequenceOfFlows(t *testing.T) {
	var flows []any
	for range 30 {
		flows = append(flows, ends("10.0.0.1", "10.0.0.2", uint32(1000))...)
	}
	var frames []capture.Frame
	for i := range uint32(11) {
		datagram := packettest.NetFlow9(0, 30*i, packettest.Set(0, fields(256, octets...)...), packettest.Set(256, flows...))
		frames = append(frames, sent(time.Duration(i)*time.Second, "192.0.2.1", datagram))
	}
	m, _ := run(t, flow.Config{}, frames...)
	d := m.Devices.Find("192.0.2.1")
	require.Equal(t, []uint64{330, 0, 0}, []uint64{d.Records.Value(), d.LostDatagrams.Value(), d.LostRecords.Value()})
}

// Exporter state forgotten for lack of memory is a reason too.
func TestForgotten(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out floods")
	}
	const n = 60_000
	frames := make([]capture.Frame, 0, n)
	for i := range uint32(n) {
		frames = append(frames, sent(0, "192.0.2.1", packettest.IPFIX(i, 0, packettest.Set(2, fields(256, octets...)...))))
	}
	_, p := run(t, flow.Config{}, frames...)
	require.Len(t, p.Reasons(), 1)
	require.Equal(t, "flow exporters and templates forgotten for want of room", p.Reasons()[0].Text)
	require.Greater(t, p.Reasons()[0].Count, uint64(n))
}

// watched calls look before each batch of a frame, when the former ones have been analysed.
type watched struct {
	frames []capture.Frame
	look   func()
}

func (w *watched) ReadBatch(b *capture.Batch) error {
	w.look()
	b.Reset()
	if len(w.frames) == 0 {
		return io.EOF
	}
	b.Frames, w.frames = append(b.Frames, w.frames[0]), w.frames[1:]
	return nil
}

func (w *watched) Close() error { return nil }

// Data sets that wait for their template are marked, because they may still be read. The other part
// of a reason never falls: it is a counter of the agent. At the end nothing waits any more.
func TestUnreadWaits(t *testing.T) {
	data := packettest.Set(256, ends("10.0.0.1", "10.0.0.2", uint32(1000))...)
	other := packettest.Set(257, ends("10.0.0.1", "10.0.0.2", uint32(1000))...)
	template := packettest.Set(0, fields(256, octets...)...)
	at := func(minute int, sets ...[]byte) capture.Frame {
		return sent(time.Duration(minute)*time.Minute, "192.0.2.1", packettest.NetFlow9(1, uint32(minute), sets...))
	}
	src := &watched{frames: []capture.Frame{at(0, data), at(1, data, data), at(5, data), at(6, data), at(7, template), at(8, data), at(9, other)}}
	var p *handler.Pipeline
	var got []string
	src.look = func() {
		for _, r := range p.Reasons() {
			got = append(got, fmt.Sprintf("%d, waiting %d", r.Count, r.Waiting))
		}
	}
	h, err := flow.New(flow.Config{})
	require.NoError(t, err)
	p, err = handler.NewPipeline(handler.Config{Sources: []capture.Source{src}, Handlers: []handler.Handler{h}})
	require.NoError(t, err)
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, []string{
		"1, waiting 1", "3, waiting 3", "4, waiting 3", // the first one has waited for 5 minutes
		"5, waiting 2", "3, waiting 0", "3, waiting 0", // their template came
		"4, waiting 1",
	}, got)
	require.Equal(t, []capture.Reason{{Text: "no template yet from 192.0.2.1, data sets", Count: 4}}, p.Reasons())
}

package flow_test

import (
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/handler"
	"visor/handler/flow"
	"visor/handler/handlertest"
	"visor/internal/packettest"
)

// TestSaturation has an exporter that reports more bytes than 64 bits hold. The sum stays at the
// greatest number instead of wrapping around.
func TestSaturation(t *testing.T) {
	const half = 1<<63 + 5
	src, dst := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	// octetDeltaCount, packetDeltaCount, addresses, interfaces
	template := packettest.Set(2, uint16(256), uint16(6),
		uint16(1), uint16(8), uint16(2), uint16(8), uint16(8), uint16(4), uint16(12), uint16(4), uint16(10), uint16(4), uint16(14), uint16(4))
	records := packettest.Set(256,
		uint64(half), uint64(1), src, dst, uint32(1), uint32(2),
		uint64(half), uint64(1), src, dst, uint32(1), uint32(2))
	m, _ := run(t, flow.Config{}, sent(0, "192.0.2.1", packettest.IPFIX(0, 0, template, records)))

	d := m.Devices.Find("192.0.2.1")
	in, out := d.Interfaces.Find("1"), d.Interfaces.Find("2")
	for _, v := range []*flow.Volume{&in.InBytes, &out.OutBytes} {
		require.Equal(t, uint64(math.MaxUint64), v.All.Value())
		require.Equal(t, []string{"10.0.0.1 18446744073709551615"}, list(&v.TopSrcIPs))
	}
	require.Equal(t, uint64(2), in.InPackets.All.Value())

	// octetDeltaCount, samplingInterval, ingressInterface
	template = packettest.Set(2, uint16(257), uint16(3),
		uint16(1), uint16(8), uint16(34), uint16(4), uint16(10), uint16(4))
	sampled := packettest.Set(257, uint64(half), uint32(2), uint32(1))
	m, _ = run(t, flow.Config{}, sent(0, "192.0.2.1", packettest.IPFIX(0, 0, template, sampled)))
	require.Equal(t, uint64(math.MaxUint64), m.Devices.Find("192.0.2.1").Interfaces.Find("1").InBytes.All.Value())
}

// An interface with the most packets keeps its place in an answer over several periods, although
// the sum of both directions is more than 64 bits hold.
func TestSaturationRanks(t *testing.T) {
	template := packettest.Set(2, uint16(256), uint16(3), uint16(2), uint16(8), uint16(10), uint16(4), uint16(14), uint16(4))
	// packetDeltaCount, ingressInterface, egressInterface
	first := packettest.Set(256, uint64(1)<<63, uint32(9), uint32(9), uint64(5), uint32(2), uint32(2))
	second := packettest.Set(256, uint64(5), uint32(3), uint32(3), uint64(5), uint32(4), uint32(4))
	h, err := flow.New(flow.Config{Interfaces: 2, Settings: handler.Settings{Periods: 2}})
	require.NoError(t, err)
	p := handlertest.Analyse(t, h, capture.NewMemory([]capture.Frame{
		sent(0, "192.0.2.1", packettest.IPFIX(0, 0, template, first)), sent(time.Minute, "192.0.2.1", packettest.IPFIX(0, 2, second)),
	}))
	snap, err := p.Window(2)
	require.NoError(t, err)
	d := flow.From(snap).Devices.Find("192.0.2.1")
	require.Equal(t, uint64(2), d.Merged.Value())
	require.NotNil(t, d.Interfaces.Find("9"))
}

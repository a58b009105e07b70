package flow_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/export"
	"visor/handler"
	"visor/handler/flow"
	"visor/internal/attack"
	"visor/internal/packettest"
	"visor/internal/racetest"
)

// volumes returns the bytes and records of all devices, and the bytes of subjects without a place.
func volumes(m *flow.Metrics) (bytes, records, others uint64) {
	for device, d := range m.Devices.All() {
		records += d.Records.Value()
		for name, i := range d.Interfaces.All() {
			bytes += i.InBytes.All.Value()
			if name == flow.Others || device == flow.Others {
				others += i.InBytes.All.Value()
			}
		}
	}
	return bytes, records, others
}

// Interfaces beyond the bound count as one. A heavily used interface has a place, regardless of its
// arrival.
func TestOthers(t *testing.T) {
	var flows []decode.Flow
	for i := range 600 {
		f := record("198.51.100.1", fmt.Sprintf("203.0.113.%d", i%250), 1, 2, 6, 10)
		f.Input, f.Output = uint32(i), uint32(i)
		if i > 300 && i%2 == 0 {
			f.Input, f.Output = 7777, 7777
		}
		flows = append(flows, f)
	}
	var frames []capture.Frame
	for i := 0; i < len(flows); i += 30 {
		frames = append(frames, sent(time.Duration(i), "192.0.2.1", packettest.NetFlow5(uint32(i), 0, flows[i:i+30]...)))
	}
	m, p := run(t, flow.Config{Interfaces: 5}, frames...)
	d := m.Devices.Find("192.0.2.1")
	require.Equal(t, 6, d.Interfaces.Len())
	require.NotNil(t, d.Interfaces.Find("7777"))
	require.Nil(t, d.Interfaces.Find("0"), "the least used one made room")
	require.Greater(t, d.Merged.Value(), uint64(400))
	bytes, records, others := volumes(m)
	require.Equal(t, []uint64{6000, 600}, []uint64{bytes, records})
	require.Equal(t, others, d.Interfaces.Find(flow.Others).InBytes.All.Value())
	require.Equal(t, uint64(250), d.Interfaces.Find(flow.Others).DstIPs.Estimate(), "cardinalities are merged as well")
	require.Equal(t, handler.Account{Offered: 600, Analysed: 600}, p.HandlerAccounts()["flow"])
}

// Ports with a common name share their metrics, which are not folded.
func TestOthersSharedNames(t *testing.T) {
	names := map[netip.Addr]flow.DeviceConfig{netip.MustParseAddr("192.0.2.1"): {Interfaces: map[uint32]string{1: "bond", 2: "bond"}}}
	var flows []decode.Flow
	for i := range uint32(600) {
		f := record("198.51.100.1", "203.0.113.1", 1, 2, 6, 10)
		f.Input, f.Output = 1+i%2, 1+i%2
		if i > 10 {
			f.Input, f.Output = i%3+10, i%3+10
		}
		flows = append(flows, f)
	}
	m, _ := run(t, flow.Config{Interfaces: 1, Devices: names}, sent(0, "192.0.2.1", packettest.NetFlow5(0, 0, flows[:30]...)), sent(0, "192.0.2.1", packettest.NetFlow5(30, 0, flows[30:60]...)))
	require.Equal(t, uint64(110), m.Devices.Find("192.0.2.1").Interfaces.Find("bond").InBytes.All.Value())
	bytes, _, _ := volumes(m)
	require.Equal(t, uint64(600), bytes)
}

// attacked counts an attacker's datagrams with a router's in between, over some periods, and
// queries both.
func attacked(t *testing.T, cfg flow.Config, kind string, minutes, perMinute int) (*handler.Pipeline, int64) {
	cfg.Settings.Periods = 5
	h, err := flow.New(cfg)
	require.NoError(t, err)
	attacker, ok := attack.Named(kind)
	require.True(t, ok)
	frames := attacker.Frames(minutes * perMinute)
	var all []capture.Frame
	for i, f := range frames {
		at := time.Duration(i) * time.Minute / time.Duration(perMinute)
		router := sent(at, "192.0.2.254", packettest.NetFlow5(uint32(4*i), 0, ordinary(4)...))
		f.TimeNS = router.TimeNS
		all = append(all, f)
		if i%3 == 0 {
			all = append(all, router)
		}
	}
	before := heap()
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{capture.NewMemory(all)}, Handlers: []handler.Handler{h}})
	require.NoError(t, err)
	require.NoError(t, p.Run(t.Context()))
	_, err = p.Bucket(0)
	require.NoError(t, err)
	used := heap() - before
	runtime.KeepAlive(frames)
	return p, used
}

// ordinary returns flows between two interfaces.
func ordinary(n int) (flows []decode.Flow) {
	for i := range n {
		flows = append(flows, record("198.51.100.1", "203.0.113.1", uint16(5000+i), 443, 6, 1000))
	}
	return flows
}

// heap returns the number of bytes in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Forged exporters and interfaces take at most the memory that the handler may use. An ordinary
// router beside them is counted completely, without losses.
func TestAttack(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out floods")
	}
	for _, kind := range []string{"interfaces", "exporters"} {
		t.Run(kind, func(t *testing.T) {
			const minutes, perMinute, most = 7, 900, 24 << 20
			everything := handler.Settings{Enable: []string{"all"}}
			p, used := attacked(t, flow.Config{Settings: everything, MaxBytes: most}, kind, minutes, perMinute)
			require.Less(t, used, int64(most+4<<20), "and what decoders and the pipeline have")
			for n := range 5 {
				snap, err := p.Bucket(n)
				require.NoError(t, err)
				m := flow.From(snap)
				router := m.Devices.Find("192.0.2.254")
				require.NotNil(t, router)
				require.Equal(t, uint64(4*perMinute/3), router.Records.Value())
				require.Equal(t, uint64(1000*4*perMinute/3), router.Interfaces.Find("1").InBytes.All.Value())
				bytes, records, others := volumes(m)
				require.Equal(t, uint64(30*perMinute+4*perMinute/3), records)
				require.Equal(t, uint64(1000*30*perMinute+1000*4*perMinute/3), bytes)
				require.Positive(t, others)
			}
		})
	}
}

// Each period has other forged interfaces or exporters. An answer over all periods keeps only as
// many as one period does, so its memory and its JSON are bounded. The router present in all
// periods has a place, and nothing is lost.
func TestAttackedAnswer(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out floods")
	}
	for _, tt := range []struct {
		kind       string
		interfaces int
		// bytes that the answer may allocate in total; without bounds it takes 193 and 916 MB
		most uint64
	}{{"interfaces", 300, 100e6}, {"exporters", 1024, 650e6}} {
		t.Run(tt.kind, func(t *testing.T) {
			const minutes, perMinute = 5, 1200
			p, _ := attacked(t, flow.Config{Interfaces: tt.interfaces}, tt.kind, minutes, perMinute)
			before := allocated()
			snap, err := p.Window(minutes)
			require.NoError(t, err)
			require.NoError(t, export.WriteJSON(io.Discard, snap))
			require.Less(t, allocated()-before, tt.most)

			m := flow.From(snap)
			require.LessOrEqual(t, m.Devices.Len(), 1024+1)
			apart := 0
			for _, d := range m.Devices.All() {
				apart += d.Interfaces.Len()
			}
			require.LessOrEqual(t, apart, tt.interfaces+m.Devices.Len(), "each device has others")
			require.Equal(t, uint64(1000*4*minutes*perMinute/3), m.Devices.Find("192.0.2.254").Interfaces.Find("1").InBytes.All.Value())
			bytes, records, _ := volumes(m)
			require.Equal(t, uint64(minutes*(30*perMinute+4*perMinute/3)), records)
			require.Equal(t, uint64(1000*minutes*(30*perMinute+4*perMinute/3)), bytes)
		})
	}
}

// allocated returns the bytes allocated since the program began.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// overflowing returns a shard and a function that counts n records of random ends between the
// interfaces of four devices, so that all lists overflow.
func overflowing(tb testing.TB, n, interfaces int) (fill func()) {
	h, err := flow.New(flow.Config{Interfaces: interfaces})
	require.NoError(tb, err)
	s := h.NewShard()
	rnd := rand.New(rand.NewPCG(1, 2))
	batch := handler.Batch{Flows: make([]decode.FlowDatagram, 4)}
	for i := range batch.Flows {
		batch.Flows[i] = decode.FlowDatagram{Device: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), Flows: make([]decode.Flow, n/4)}
	}
	return func() {
		for _, e := range batch.Flows {
			for i := range e.Flows {
				var src [4]byte
				binary.BigEndian.PutUint32(src[:], 0x0A000000+rnd.Uint32N(10_000))
				e.Flows[i] = decode.Flow{
					Src: netip.AddrFrom4(src), Dst: netip.AddrFrom4([4]byte{203, 0, 113, byte(rnd.Uint32N(50))}),
					SrcPort: uint16(rnd.Uint32()), DstPort: []uint16{443, 80, 53, 22}[i%4], Proto: 6,
					Bytes: uint64(i), Packets: 1, Input: rnd.Uint32N(8), Output: rnd.Uint32N(8),
				}
			}
		}
		s.Process(&batch)
	}
}

// Counting does not allocate, even when all lists overflow and interfaces lack places.
func TestRecordsAllocs(t *testing.T) {
	for _, interfaces := range []int{0, 8} {
		if testing.Short() && interfaces == 0 {
			continue
		}
		fill := overflowing(t, 3000, interfaces)
		for range 50 {
			fill()
		}
		require.Zero(t, testing.AllocsPerRun(20, fill))
	}
}

// An exporter that makes up interfaces makes the handler neither remember nor name them: the memory
// of a forgotten one is reused.
func TestMadeUpInterfacesAllocs(t *testing.T) {
	h, err := flow.New(flow.Config{Interfaces: 8})
	require.NoError(t, err)
	s := h.NewShard()
	batch := handler.Batch{Flows: []decode.FlowDatagram{{Device: netip.AddrFrom4([4]byte{192, 0, 2, 1}), Flows: make([]decode.Flow, 1000)}}}
	next := uint32(0)
	send := func() {
		for i := range batch.Flows[0].Flows {
			next++
			f := record("198.51.100.1", "203.0.113.1", 1, 2, 6, 10)
			f.Input, f.Output = next, next+7
			batch.Flows[0].Flows[i] = f
		}
		s.Process(&batch)
	}
	for range 50 {
		send()
	}
	addresses := testing.AllocsPerRun(20, func() { // the allocations of record
		for range 1000 {
			_ = record("198.51.100.1", "203.0.113.1", 1, 2, 6, 10)
		}
	})
	require.LessOrEqual(t, testing.AllocsPerRun(20, send), addresses)
}

func BenchmarkOverflow(b *testing.B) {
	const records = 3000
	fill := overflowing(b, records, 0)
	for range 100 {
		fill()
	}
	b.ReportAllocs()
	for b.Loop() {
		fill()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*records), "ns/record")
}

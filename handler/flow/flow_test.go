package flow_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/geo"
	"visor/handler"
	"visor/handler/flow"
	"visor/handler/handlertest"
	"visor/handler/metric"
	"visor/internal/mmdbtest"
	"visor/internal/packettest"
)

const receiver = "203.0.113.250:2055"

// sent is a datagram of a device.
func sent(after time.Duration, device string, datagram []byte) capture.Frame {
	return packettest.UDP(after, device+":50000", receiver, datagram)
}

func record(src, dst string, srcPort, dstPort uint16, proto uint8, bytes uint64) decode.Flow {
	return decode.Flow{
		Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst), SrcPort: srcPort, DstPort: dstPort,
		Proto: proto, Bytes: bytes, Packets: 1, Input: 1, Output: 2, ToS: 0xB9,
	}
}

// traffic holds a device's records of two conversations and of a flow that is neither TCP nor UDP.
func traffic() capture.Frame {
	return sent(0, "192.0.2.254", packettest.NetFlow5(0, 0,
		record("198.51.100.1", "203.0.113.1", 5000, 443, 6, 1000),
		record("203.0.113.1", "198.51.100.1", 443, 5000, 6, 200),
		record("198.51.100.2", "203.0.113.53", 5001, 53, 17, 60),
		record("198.51.100.2", "203.0.113.1", 0, 0, 47, 7),
	))
}

func TestConformance(t *testing.T) {
	var frames []capture.Frame
	for i := range 120 {
		at := time.Duration(i) * 125 * time.Millisecond
		var flows []decode.Flow
		for k := range 10 {
			f := record(fmt.Sprintf("198.51.100.%d", (i+k)%200), fmt.Sprintf("203.0.113.%d", k), uint16(1000+i), 443, 6, uint64(100*k+1))
			f.Input, f.Output = uint32(k%3), uint32(k%2)
			flows = append(flows, f)
		}
		device := fmt.Sprintf("192.0.2.%d", 1+i%4)
		frames = append(frames, sent(at, device, packettest.NetFlow5(uint32(10*(i/4)), 10, flows...)))
		header := packettest.UDP(0, "198.51.100.1:53", "203.0.113.1:4000", nil).Data
		frames = append(frames, sent(at, "192.0.2.77", packettest.SFlow("192.0.2.78", uint32(i), packettest.Sample(100, 7, 9, packettest.RawHeader(1400, header)))))
	}
	handlertest.Run(t, func(s handler.Settings) (handler.Handler, error) { return flow.New(flow.Config{Settings: s}) }, frames...)
}

func run(t testing.TB, cfg flow.Config, frames ...capture.Frame) (*flow.Metrics, *handler.Pipeline) {
	cfg.Periods = 1
	h, err := flow.New(cfg)
	require.NoError(t, err)
	p := handlertest.Analyse(t, h, capture.NewMemory(frames))
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	return flow.From(snap), p
}

// list returns a list as "name count".
func list(l *metric.TopSide) (out []string) {
	for _, e := range l.Items(10) {
		out = append(out, fmt.Sprint(e.Name, " ", e.Estimate))
	}
	return out
}

func TestVolumes(t *testing.T) {
	m, p := run(t, flow.Config{Settings: handler.Settings{Enable: []string{"all"}}}, traffic())
	d := m.Devices.Find("192.0.2.254")
	require.Equal(t, []uint64{4, 0}, []uint64{d.Records.Value(), d.Filtered.Value()})
	require.Equal(t, []string{"1 1267"}, list(&d.Bytes.In))
	require.Equal(t, []string{"2 4"}, list(&d.Packets.Out))
	in, out := d.Interfaces.Find("1"), d.Interfaces.Find("2")
	for _, v := range []*flow.Volume{&in.InBytes, &out.OutBytes} {
		require.Equal(t, []uint64{1267, 1200, 60, 7, 1267, 0}, []uint64{
			v.All.Value(), v.TCP.Value(), v.UDP.Value(), v.OtherL4.Value(), v.IPv4.Value(), v.IPv6.Value(),
		})
		require.Equal(t, []string{"198.51.100.1 1000", "203.0.113.1 200", "198.51.100.2 67"}, list(&v.TopSrcIPs))
		require.Equal(t, []string{"203.0.113.1 1007", "198.51.100.1 200", "203.0.113.53 60"}, list(&v.TopDstIPs))
		require.Equal(t, []string{"443 1000", "5000 200", "53 60"}, list(&v.TopDstPorts))
		require.Equal(t, []string{"198.51.100.1:5000 1000", "203.0.113.1:443 200", "198.51.100.2:5001 60"}, list(&v.TopSrcIPPorts))
		require.Equal(t, []string{"EF 1267"}, list(&v.TopDSCP))
		require.Equal(t, []string{"ECT(1) 1267"}, list(&v.TopECN))
	}
	require.Zero(t, in.OutBytes.All.Value())
	require.Equal(t, []string{"198.51.100.1:5000/203.0.113.1:443 1200", "198.51.100.2:5001/203.0.113.53:53 60"}, list(&in.Bytes.TopConversations))
	require.Equal(t, []uint64{3, 3, 3, 3, 2}, []uint64{
		in.SrcIPs.Estimate(), in.DstIPs.Estimate(), in.SrcPorts.Estimate(), in.DstPorts.Estimate(), in.Conversations.Estimate(),
	})
	a := p.HandlerAccounts()["flow"]
	require.Equal(t, handler.Account{Offered: 4, Analysed: 4}, a)
}

func TestScaling(t *testing.T) {
	header := packettest.UDP(0, "[2001:db8::1]:53", "[2001:db8::2]:4000", nil).Data
	frames := []capture.Frame{
		sent(0, "192.0.2.1", packettest.NetFlow5(0, 100, record("198.51.100.1", "203.0.113.1", 1, 2, 6, 10))),
		sent(0, "192.0.2.2", packettest.SFlow("192.0.2.3", 1, packettest.Sample(50, 7, 9, packettest.RawHeader(1400, header)))),
	}
	m, _ := run(t, flow.Config{}, frames...)
	require.Equal(t, uint64(1000), m.Devices.Find("192.0.2.1").Interfaces.Find("1").InBytes.All.Value())
	sampled := m.Devices.Find("192.0.2.3").Interfaces.Find("7")
	require.Equal(t, uint64(70_000), sampled.InBytes.IPv6.Value())
	require.Equal(t, uint64(50), sampled.InPackets.UDP.Value())
	m, _ = run(t, flow.Config{NoScaling: true}, frames...)
	require.Equal(t, uint64(10), m.Devices.Find("192.0.2.1").Interfaces.Find("1").InBytes.All.Value())
	require.Equal(t, uint64(1400), m.Devices.Find("192.0.2.3").Interfaces.Find("7").InBytes.All.Value())
}

func TestFilters(t *testing.T) {
	at := netip.MustParseAddr("192.0.2.254")
	for _, tt := range []struct {
		name              string
		cfg               flow.Config
		records, filtered uint64
		in, out           uint64 // bytes
	}{
		{"networks", flow.Config{OnlyNets: []string{"198.51.100.1/32", "2001:db8::/32"}}, 2, 2, 1200, 1200},
		{"ports", flow.Config{OnlyPorts: []flow.Range{{First: 50, Last: 60}}}, 1, 3, 60, 60},
		{"in", flow.Config{OnlyIn: true}, 4, 0, 1267, 0},
		{"out", flow.Config{OnlyOut: true}, 4, 0, 0, 1267},
		{"interface", flow.Config{OnlyInterfaces: map[netip.Addr][]flow.Range{at: {{First: 2, Last: 5}}}}, 4, 0, 0, 1267},
		{"no interface", flow.Config{OnlyInterfaces: map[netip.Addr][]flow.Range{at: {{First: 3, Last: 5}}}}, 0, 4, 0, 0},
		{"device", flow.Config{OnlyInterfaces: map[netip.Addr][]flow.Range{}}, 0, 4, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, p := run(t, tt.cfg, traffic())
			d := m.Devices.Find("192.0.2.254")
			require.Equal(t, []uint64{tt.records, tt.filtered}, []uint64{d.Records.Value(), d.Filtered.Value()})
			in, out := uint64(0), uint64(0)
			for _, i := range d.Interfaces.All() {
				in += i.InBytes.All.Value()
				out += i.OutBytes.All.Value()
			}
			require.Equal(t, []uint64{tt.in, tt.out}, []uint64{in, out})
			require.Equal(t, handler.Account{Offered: 4, Analysed: tt.records, Filtered: tt.filtered}, p.HandlerAccounts()["flow"])
		})
	}
}

func TestNames(t *testing.T) {
	names := map[netip.Addr]flow.DeviceConfig{
		netip.MustParseAddr("192.0.2.254"): {Name: "edge", Interfaces: map[uint32]string{1: "eth0"}},
		netip.MustParseAddr("192.0.2.253"): {Name: "edge", Interfaces: map[uint32]string{9: "eth0"}},
	}
	second := sent(time.Second, "192.0.2.253", packettest.NetFlow5(0, 0, decode.Flow{
		Src: netip.MustParseAddr("198.51.100.1"), Dst: netip.MustParseAddr("203.0.113.1"), Bytes: 5, Packets: 1, Input: 9, Output: 8,
	}))
	m, p := run(t, flow.Config{Devices: names}, traffic(), second)
	require.Equal(t, 1, m.Devices.Len(), "two of one name are one")
	edge := m.Devices.Find("edge")
	require.Equal(t, uint64(1272), edge.Interfaces.Find("eth0").InBytes.All.Value())
	require.NotNil(t, edge.Interfaces.Find("2"))
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	labels := map[metric.Label]bool{}
	for _, v := range snap.Modules[0].Values() {
		for _, l := range v.Labels {
			labels[l] = true
		}
	}
	require.True(t, labels[metric.Label{Name: "device_interface", Value: "edge|eth0"}])
}

// Distinct ports count by number, although ports that share a name are one entry of a list. A
// summary of addresses does not change that.
func TestPortsOfOneName(t *testing.T) {
	services, err := flow.ReadServices(strings.NewReader("Service Name,Port Number,Transport Protocol,Description\nrange,4990-5000,tcp,\n"))
	require.NoError(t, err)
	for _, sum := range []flow.Summary{{}, {Subnets: []string{"10.0.0.0/8"}}} {
		var flows []decode.Flow
		for port := range uint16(5) {
			flows = append(flows, record("198.51.100.1", "203.0.113.1", 4990+port, 443, 6, 100))
		}
		m, _ := run(t, flow.Config{Services: services, Summary: sum}, sent(0, "192.0.2.254", packettest.NetFlow5(0, 0, flows...)))
		in := m.Devices.Find("192.0.2.254").Interfaces.Find("1")
		require.Equal(t, []string{"range 500"}, list(&in.InBytes.TopSrcPorts))
		require.EqualValues(t, 5, in.SrcPorts.Estimate())
	}
}

func TestServices(t *testing.T) {
	services, err := flow.ReadServices(strings.NewReader(strings.Join([]string{
		"Service Name,Port Number,Transport Protocol,Description",
		"https,443,tcp,web", "again,443,tcp,the first one counts", "domain,53,udp,", "range,4990-5000,tcp,", ",80,tcp,no name", "quic,443,udp,",
		"other,53,sctp,", `"broken,7,tcp`, "high,99999,tcp,", "backwards,9-8,tcp,",
	}, "\n")))
	require.NoError(t, err)
	m, _ := run(t, flow.Config{Services: services}, traffic())
	in := m.Devices.Find("192.0.2.254").Interfaces.Find("1")
	require.Equal(t, []string{"https 1000", "range 200", "domain 60"}, list(&in.InBytes.TopDstPorts))
	require.Equal(t, []string{"198.51.100.1:range 1000", "203.0.113.1:https 200", "198.51.100.2:5001 60"}, list(&in.InBytes.TopSrcIPPorts))
	require.Equal(t, []string{"", "range", "quic", ""}, []string{services.Name(4989, false), services.Name(4990, false), services.Name(443, true), services.Name(53, false)})

	_, err = flow.ReadServices(strings.NewReader("a,b,c\n"))
	require.ErrorContains(t, err, "Service Name")
	_, err = flow.OpenServices("no-such-file.csv")
	require.ErrorContains(t, err, "no-such-file.csv")
}

// systems returns a database of one autonomous system and one place.
func systems(t testing.TB) *geo.DB {
	db, err := geo.Open(geo.Config{
		CityPath: mmdbtest.Write(t, "City", map[string]mmdbtest.Record{"203.0.113.0/24": {"continent": mmdbtest.Record{"code": "EU"}}}),
		ASNPath: mmdbtest.Write(t, "ASN", map[string]mmdbtest.Record{
			"203.0.113.0/24": {"autonomous_system_number": uint32(64500), "autonomous_system_organization": "Example"},
		}),
		Reload: -1,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func TestSummary(t *testing.T) {
	db := systems(t)
	for _, tt := range []struct {
		name string
		sum  flow.Summary
		want []string // autonomous systems of sources
	}{
		{"system", flow.Summary{ByASN: true}, []string{"Unknown 1067", "64500/Example 200"}},
		{"no unknown system", flow.Summary{ByASN: true, ExceptUnknowns: true}, []string{"198.51.100.1 1000", "64500/Example 200", "198.51.100.2 67"}},
		{"not this system", flow.Summary{ByASN: true, ExceptASNs: []string{"64500"}, Subnets: []string{"203.0.0.0/8"}}, []string{"Unknown 1067", "203.0.0.0/8 200"}},
		{"subnet", flow.Summary{Subnets: []string{"198.51.100.77/24"}}, []string{"198.51.100.77/24 1067", "203.0.113.1 200"}},
		{"except", flow.Summary{Subnets: []string{"198.51.100.0/24"}, Except: []string{"198.51.100.2/32"}}, []string{"198.51.100.0/24 1000", "203.0.113.1 200", "198.51.100.2 67"}},
		{"wildcards", flow.Summary{Subnets: []string{"0.0.0.0/16", "::/32", "203.0.113.1/32"}}, []string{"198.51.0.0/16 1067", "203.0.113.1/32 200"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, _ := run(t, flow.Config{Geo: db, Summary: tt.sum}, traffic())
			require.Equal(t, tt.want, list(&m.Devices.Find("192.0.2.254").Interfaces.Find("1").InBytes.TopSrcIPs))
		})
	}
	for name, sum := range map[string]flow.Summary{
		"flow: Summary.Subnets has two wildcards":       {Subnets: []string{"0.0.0.0/8", "0.0.0.0/16"}},
		`flow: Summary.Subnets: decode: network "x"`:    {Subnets: []string{"x"}},
		`flow: Summary.Except: decode: network "y"`:     {Except: []string{"y"}},
		`flow: Summary.ExceptASNs: "z" is not a number`: {ExceptASNs: []string{"z"}},
	} {
		_, err := flow.New(flow.Config{Summary: sum})
		require.ErrorContains(t, err, name)
	}
}

func TestGeo(t *testing.T) {
	db := systems(t)
	m, _ := run(t, flow.Config{Geo: db, Settings: handler.Settings{Enable: []string{"top_geo"}}}, traffic())
	in := m.Devices.Find("192.0.2.254").Interfaces.Find("1")
	require.Equal(t, []string{"64500/Example 1267", "Unknown 1267"}, list(&in.Bytes.TopASN))
	require.Equal(t, uint64(2*1267), in.Bytes.TopGeo.Total())
	known := record("203.0.113.1", "203.0.113.2", 1, 2, 6, 5)
	for _, cfg := range []flow.Config{{Geo: db, GeoNotFound: true}, {Geo: db, ASNNotFound: true}} {
		m, _ := run(t, cfg, traffic(), sent(0, "192.0.2.254", packettest.NetFlow5(4, 0, known)))
		require.Equal(t, uint64(1), m.Devices.Find("192.0.2.254").Filtered.Value())
	}
}

// Missing and contradictory data is counted for its device. Garbage does not create a device.
func TestLosses(t *testing.T) {
	one := record("198.51.100.1", "203.0.113.1", 1, 2, 6, 10)
	m, p := run(t, flow.Config{},
		sent(0, "192.0.2.1", packettest.NetFlow5(0, 0, one)), sent(1, "192.0.2.1", packettest.NetFlow5(11, 0, one)),
		sent(2, "192.0.2.1", []byte{0, 5, 0, 3}), sent(2, "192.0.2.1", packettest.SFlow("192.0.2.8", 1, packettest.Element(2, make([]byte, 40)))), sent(3, "192.0.2.9", []byte("hello")), sent(4, "192.0.2.9", nil))
	d := m.Devices.Find("192.0.2.1")
	require.Equal(t, []uint64{2, 10, 1}, []uint64{d.Records.Value(), d.LostRecords.Value(), d.Malformed.Value()})
	require.Equal(t, uint64(1), m.Devices.Find("192.0.2.8").Counters.Value())
	require.Equal(t, 2, m.Devices.Len())
	require.Equal(t, handler.Account{Offered: 4, Analysed: 2, Undecodable: 2}, p.HandlerAccounts()["flow"])
}

func BenchmarkRecords(b *testing.B) {
	for _, groups := range [][]string{nil, {"all"}} {
		b.Run(fmt.Sprint("groups=", len(groups)), func(b *testing.B) {
			h, err := flow.New(flow.Config{Settings: handler.Settings{Enable: groups}})
			require.NoError(b, err)
			s := h.NewShard()
			var flows []decode.Flow
			for i := range 3000 {
				f := record(fmt.Sprintf("198.51.%d.%d", i%7, i%250), fmt.Sprintf("203.0.113.%d", i%100), uint16(1024+i%2000), 443, 6, uint64(i))
				f.Input, f.Output = uint32(i%8), uint32(i%5)
				flows = append(flows, f)
			}
			batch := handler.Batch{Flows: []decode.FlowDatagram{{Device: netip.MustParseAddr("192.0.2.1"), Flows: flows}}}
			s.Process(&batch)
			b.ReportAllocs()
			for b.Loop() {
				s.Process(&batch)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(flows)), "ns/record")
		})
	}
}

func Example() {
	h, err := flow.New(flow.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := handler.NewPipeline(handler.Config{
		// any source: a collector, a file
		Sources:  []capture.Source{capture.NewMemory([]capture.Frame{traffic()})},
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
	eth1 := flow.From(snap).Devices.Find("192.0.2.254").Interfaces.Find("1")
	fmt.Println(eth1.InBytes.All.Value(), "bytes,", eth1.InBytes.TCP.Value(), "over TCP")
	// Output: 1267 bytes, 1200 over TCP
}

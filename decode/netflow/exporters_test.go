package netflow_test

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/decode"
	"visor/decode/netflow"
	"visor/internal/packettest"
)

// Two exporters behind one address have separate templates under the same number, and separate
// sequence numbers.
func TestExportersBehindOneAddress(t *testing.T) {
	swapped := template(256, field(12, 4), field(8, 4), field(2, 4))
	straight := template(256, field(8, 4), field(12, 4), field(2, 4))
	data := packettest.Set(256, src, dst, uint32(1))
	one, two := session("203.0.113.9:40001"), session("203.0.113.9:40002")
	d := netflow.New(netflow.Config{})
	var e decode.FlowDatagram
	for i := range uint32(4) {
		d.Decode(int64(i), one, packettest.NetFlow9(0, 100+i, packettest.Set(0, straight...), data), &e)
		require.Equal(t, []decode.Flow{{Src: src, Dst: dst, Packets: 1}}, e.Flows)
		require.Equal(t, one.From.Addr(), e.Device)
		d.Decode(int64(i), two, packettest.NetFlow9(0, 900_000+i, packettest.Set(0, swapped...), data), &e)
		require.Equal(t, []decode.Flow{{Src: dst, Dst: src, Packets: 1}}, e.Flows)
	}
	require.Zero(t, d.Stats().LostDatagrams)
}

// flowOf is a flow of one packet, with or without a sampler.
func flowOf(sampler ...any) []byte {
	if len(sampler) == 0 {
		return append(packettest.Set(2, template(301, field(2, 4))...), packettest.Set(301, uint32(1))...)
	}
	return append(packettest.Set(2, template(300, field(302, 1), field(2, 4))...), packettest.Set(300, append(sampler, uint32(1))...)...)
}

// all states a rate for all flows of its domain; sampler states one for a single sampler.
func all(rate uint32) []byte {
	return append(options(400, field(144, 4), field(34, 4)), packettest.Set(400, uint32(1), rate)...)
}

func sampler(id uint8, rate uint32) []byte {
	return append(options(401, field(144, 4), field(302, 1), field(34, 4)), packettest.Set(401, uint32(1), id, rate)...)
}

// A rate applies to the domain that stated it, and to other domains of the exporter without a rate.
func TestSamplingOfOtherDomains(t *testing.T) {
	type message struct {
		domain uint32
		set    []byte
	}
	for _, tt := range []struct {
		name string
		told []message
		flow []byte // from domain 5
		want uint32
	}{
		{"domain 0", []message{{0, all(1000)}}, flowOf(), 1000},
		{"a sampler of another domain", []message{{9, sampler(1, 100)}}, flowOf(uint8(1)), 100},
		{"its own", []message{{5, all(10)}, {0, all(1000)}}, flowOf(), 10},
		{"a sampler of its own", []message{{0, sampler(1, 1000)}, {5, sampler(1, 10)}, {9, sampler(1, 100)}}, flowOf(uint8(1)), 10},
		{"domain 0 before others", []message{{0, all(1000)}, {9, all(100)}}, flowOf(), 1000},
		{"another sampler of another domain", []message{{5, sampler(1, 10)}, {9, sampler(2, 100)}}, flowOf(uint8(2)), 100},
		{"no sampler named", []message{{9, sampler(1, 100)}}, flowOf(), 0},
		{"samplers of its own, none named", []message{{5, sampler(1, 10)}, {9, all(100)}}, flowOf(), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := netflow.New(netflow.Config{})
			var e decode.FlowDatagram
			for _, m := range tt.told {
				d.Decode(0, router, packettest.IPFIX(m.domain, 0, m.set), &e)
				require.NoError(t, e.Err)
			}
			d.Decode(1, router, packettest.IPFIX(5, 0, tt.flow), &e)
			require.Equal(t, tt.want, e.Flows[0].Sampling)
			d.Decode(1, other, packettest.IPFIX(5, 0, tt.flow), &e)
			require.Zero(t, e.Flows[0].Sampling, "another exporter")
		})
	}
}

// An active exporter keeps its templates while a flood of others evict each other.
func TestTemplateFlood(t *testing.T) {
	d := netflow.New(netflow.Config{MaxBytes: 1 << 20})
	var e decode.FlowDatagram
	d.Decode(0, router, packettest.IPFIX(1, 0, packettest.Set(2, common(256)...)), &e)
	var many []any
	for id := range uint16(170) {
		many = append(many, template(256+id, field(2, 4))...)
	}
	flood := packettest.IPFIX(1, 0, packettest.Set(2, many...))
	before := heap()
	for i := range uint32(3000) {
		binary.BigEndian.PutUint32(flood[12:], i)
		d.Decode(int64(i), other, flood, &e)
		if i%10 == 0 {
			d.Decode(int64(i), router, packettest.IPFIX(1, 0, packettest.Set(256, commonRecord()...)), &e)
			require.Len(t, e.Flows, 1)
		}
	}
	require.Less(t, heap()-before, int64(3<<20), "bytes: twice the budget, and what the map has for keys that are gone")
	require.Greater(t, d.Stats().Evicted, uint64(400_000))
}

// The templates of one domain do not fill all memory either.
func TestTemplateFloodOfOneDomain(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out floods")
	}
	d := netflow.New(netflow.Config{MaxBytes: 1 << 20})
	before := heap()
	for id := range uint16(10_000) {
		fields := [][]any{field(82, 0xFFFF)}
		for range 300 {
			fields = append(fields, field(8, 4))
		}
		decoded(d, packettest.NetFlow9(1, 0, packettest.Set(0, template(256+id, fields...)...)))
	}
	require.Less(t, heap()-before, int64(3<<20))
	require.Greater(t, d.Stats().Evicted, uint64(8_000))
}

// heap returns the number of bytes in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Sets that wait for their template are counted on arrival, and again when the template is found.
func TestHeldIsReported(t *testing.T) {
	d := netflow.New(netflow.Config{})
	var e decode.FlowDatagram
	d.Decode(0, router, packettest.IPFIX(1, 0, packettest.Set(256, commonRecord()...), packettest.Set(300, uint32(1))), &e)
	require.Equal(t, []uint32{2, 0, 0}, []uint32{e.HeldSets, e.FoundSets, e.LostSets})
	d.Decode(int64(time.Second), router, packettest.IPFIX(1, 0, packettest.Set(2, common(256)...)), &e)
	require.Equal(t, []uint32{0, 1, 0}, []uint32{e.HeldSets, e.FoundSets, e.LostSets})
	require.Len(t, e.Flows, 1)
}

// An exporter with two collectors has two sessions: sequence numbers and templates of one do not
// concern the other (found by FuzzWorkers, whose workers see one session each).
func TestTwoCollectors(t *testing.T) {
	d := netflow.New(netflow.Config{})
	second := router
	second.To = netip.MustParseAddrPort("192.0.2.2:2055")
	var e decode.FlowDatagram
	data := packettest.Set(256, commonRecord()...)
	d.Decode(0, router, packettest.IPFIX(1, 100, packettest.Set(2, common(256)...), data), &e)
	require.Len(t, e.Flows, 1)
	d.Decode(1, second, packettest.IPFIX(1, 7, data), &e)
	require.Empty(t, e.Flows)
	require.Equal(t, []uint32{0, 1}, []uint32{e.LostFlows, e.HeldSets})
	d.Decode(2, router, packettest.IPFIX(1, 101, data), &e)
	require.Len(t, e.Flows, 1)
	require.Zero(t, e.LostFlows)
}

// Held sets age by their own exporter's datagrams (found by FuzzWorkers: with several decoders, one
// exporter's clock dropped the sets of others or did not).
func TestHeldByOwnClock(t *testing.T) {
	other := session("192.0.2.99:4739")
	waiting := packettest.IPFIX(1, 0, packettest.Set(256, commonRecord()...))
	for _, tt := range []struct {
		name        string
		after       time.Duration
		found, lost uint32
	}{{"in time", time.Second, 1, 0}, {"too late", time.Hour, 0, 1}} {
		t.Run(tt.name, func(t *testing.T) {
			d := netflow.New(netflow.Config{})
			var e decode.FlowDatagram
			d.Decode(0, router, waiting, &e)
			d.Decode(int64(2*time.Hour), other, waiting, &e) // its clock is wrong
			d.Decode(int64(tt.after), router, packettest.IPFIX(1, 0), &e)
			require.Equal(t, tt.lost, e.LostSets, "counted with any next datagram")
			d.Decode(int64(tt.after), router, packettest.IPFIX(1, 0, packettest.Set(2, common(256)...)), &e)
			require.Equal(t, []uint32{tt.found, 0}, []uint32{e.FoundSets, e.LostSets})
		})
	}
}

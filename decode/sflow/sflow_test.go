package sflow_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode"
	"visor/decode/sflow"
	"visor/internal/packettest"
)

const agent = "192.0.2.254"

var sender = session("192.0.2.1:5000")

func session(from string) decode.FlowSession {
	return decode.FlowSession{From: netip.MustParseAddrPort(from), To: netip.MustParseAddrPort("192.0.2.2:6343")}
}

func decoded(b []byte) (decode.FlowDatagram, sflow.Stats) {
	d := sflow.New()
	var e decode.FlowDatagram
	d.Decode(0, sender, b, &e)
	return e, d.Stats()
}

var frame = packettest.UDP(0, "198.51.100.1:53", "203.0.113.1:4000", []byte("hello")).Data

func TestSamples(t *testing.T) {
	src, dst := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("203.0.113.1")
	src6, dst6 := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	words := func(values ...uint32) (b []byte) {
		for _, v := range values {
			b = append(b, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
		}
		return b
	}
	keyed := func(format uint32, src, dst netip.Addr) []byte {
		b := append(append(words(1000, 6), src.AsSlice()...), dst.AsSlice()...)
		return packettest.Element(format, append(b, words(443, 5000, 0x12, 0xB8)...))
	}
	expanded := append(words(1, 0, 7, 64, 100, 0, 0, 70000, 0, 80000, 1), keyed(3, src, dst)...)
	for _, tt := range []struct {
		name   string
		sample []byte
		want   decode.Flow
	}{
		{"header", packettest.Sample(512, 7, 9, packettest.RawHeader(1400, frame)), decode.Flow{
			Bytes: 1400, Packets: 1, Sampling: 512, Input: 7, Output: 9, Header: frame, HeaderLink: decode.LinkEthernet,
		}},
		{"IPv4 fields", packettest.Sample(1, 0, 0, keyed(3, src, dst)), decode.Flow{
			Src: src, Dst: dst, Bytes: 1000, Packets: 1, Sampling: 1, SrcPort: 443, DstPort: 5000, Proto: 6, ToS: 0xB8,
		}},
		{"IPv6 fields behind a header", packettest.Sample(1, 0, 0, packettest.RawHeader(1400, frame), keyed(4, src6, dst6)), decode.Flow{
			Src: src6, Dst: dst6, Bytes: 1400, Packets: 1, Sampling: 1, SrcPort: 443, DstPort: 5000, Proto: 6, ToS: 0xB8,
		}},
		{"IPv4 fields ahead of a header", packettest.Sample(1, 0, 0, keyed(3, src, dst), packettest.RawHeader(1400, frame)), decode.Flow{
			Src: src, Dst: dst, Bytes: 1400, Packets: 1, Sampling: 1, SrcPort: 443, DstPort: 5000, Proto: 6, ToS: 0xB8,
		}},
		{"IPv4 fields ahead of Ethernet", packettest.Sample(1, 0, 0, keyed(3, src, dst), packettest.Element(2, words(1014, 0, 0, 0, 0, 0x800))), decode.Flow{
			Src: src, Dst: dst, Bytes: 1014, Packets: 1, Sampling: 1, SrcPort: 443, DstPort: 5000, Proto: 6, ToS: 0xB8,
		}},
		{"Ethernet ahead of a header", packettest.Sample(1, 0, 0, packettest.Element(2, words(900, 0, 0, 0, 0, 0x800)), packettest.RawHeader(1400, frame)), decode.Flow{
			Bytes: 1400, Packets: 1, Sampling: 1, Header: frame, HeaderLink: decode.LinkEthernet,
		}},
		{"expanded", packettest.Element(3, expanded), decode.Flow{
			Src: src, Dst: dst, Bytes: 1000, Packets: 1, Sampling: 64, Input: 70000, Output: 80000, SrcPort: 443, DstPort: 5000, Proto: 6, ToS: 0xB8,
		}},
		{"dropped, and for the device itself", packettest.Sample(1, 0x3FFFFFFF, 1<<30|257), decode.Flow{Packets: 1, Sampling: 1}},
		{"several outputs", packettest.Sample(1, 4, 1<<31|3), decode.Flow{Packets: 1, Sampling: 1, Input: 4}},
		{"Ethernet", packettest.Sample(1, 4, 5, packettest.Element(2, words(900, 0, 0, 0, 0, 0x800))), decode.Flow{Bytes: 900, Packets: 1, Sampling: 1, Input: 4, Output: 5}},
		{"unknown records", packettest.Sample(1, 4, 5, packettest.Element(1001, words(1, 2, 3, 4)), packettest.Element(9<<12|1, nil)), decode.Flow{Packets: 1, Sampling: 1, Input: 4, Output: 5}},
		{"unknown header", packettest.Sample(1, 4, 5, packettest.Element(1, words(99, 900, 0, 4, 0))), decode.Flow{Bytes: 900, Packets: 1, Sampling: 1, Input: 4, Output: 5}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, st := decoded(packettest.SFlow(agent, 1, tt.sample, tt.sample))
			require.NoError(t, e.Err)
			require.Equal(t, []decode.Flow{tt.want, tt.want}, e.Flows)
			require.Equal(t, netip.MustParseAddr(agent), e.Device)
			require.Equal(t, sflow.Stats{Datagrams: 1, Flows: 2}, st)
		})
	}
}

func TestOtherSamples(t *testing.T) {
	e, st := decoded(packettest.SFlow("2001:db8::fe", 1,
		packettest.Element(2, make([]byte, 40)), packettest.Element(4, make([]byte, 8)), packettest.Element(77<<12|3, make([]byte, 12))))
	require.NoError(t, e.Err)
	require.Empty(t, e.Flows)
	require.Equal(t, 2, e.Counters)
	require.Equal(t, sflow.Stats{Datagrams: 1, Counters: 2, Others: 1}, st)
	require.Equal(t, netip.MustParseAddr("2001:db8::fe"), e.Device)
}

func TestSequence(t *testing.T) {
	d := sflow.New()
	var lost []uint32
	for _, n := range []uint32{7, 8, 12, 3, 4} {
		var e decode.FlowDatagram
		d.Decode(0, sender, packettest.SFlow(agent, n), &e)
		lost = append(lost, e.LostDatagrams)
	}
	require.Equal(t, []uint32{0, 0, 3, 0, 0}, lost, "the agent starts again at 3")
	require.Equal(t, uint64(3), d.Stats().LostDatagrams)
}

// Agents with the same private address behind several senders do not seem to lose each other's
// datagrams.
func TestAgentsOfOneAddress(t *testing.T) {
	d := sflow.New()
	for n := range uint32(5) {
		for i, from := range []string{"203.0.113.9:6343", "203.0.113.9:7000", "203.0.113.10:6343"} {
			var e decode.FlowDatagram
			d.Decode(0, session(from), packettest.SFlow(agent, n+1000*uint32(i)), &e)
			require.Zero(t, e.LostDatagrams)
		}
	}
}

// An agent without an address, and other versions, are not malformed, but are not read.
func TestUnsupported(t *testing.T) {
	good := packettest.SFlow(agent, 1, packettest.Sample(1, 4, 5, packettest.RawHeader(1400, frame)))
	unknown := append([]byte{0, 0, 0, 5, 0, 0, 0, 0}, good[12:]...)
	e, _ := decoded(unknown)
	require.ErrorIs(t, e.Err, sflow.ErrAgent)
	require.Equal(t, sender.From.Addr(), e.Device)
	require.Empty(t, e.Flows)
	for _, version := range []byte{2, 4, 6} {
		good[3] = version
		e, _ = decoded(good)
		require.ErrorIs(t, e.Err, sflow.ErrVersion)
	}
}

func TestHostile(t *testing.T) {
	good := packettest.SFlow(agent, 1, packettest.Sample(1, 4, 5, packettest.RawHeader(1400, frame)))
	for n := range len(good) {
		e, st := decoded(good[:n])
		require.Error(t, e.Err, n)
		require.Empty(t, e.Flows)
		require.Equal(t, uint64(1), st.Malformed)
	}
	for name, at := range map[string]int{"version": 3, "address type": 7, "length of the sample": 33, "records of the sample": 64, "length of a record": 73, "length of the header": 88} {
		b := append([]byte(nil), good...)
		b[at] = 0xFF
		e, _ := decoded(b)
		require.Error(t, e.Err, name)
	}
	// one more sample than present
	e, _ := decoded(append(good[:24:24], append([]byte{0, 0, 0, 2}, good[28:]...)...))
	require.Error(t, e.Err)
	require.Len(t, e.Flows, 1, "what came before the damage counts")
}

func TestAddHeader(t *testing.T) {
	d := decode.NewDecoder(decode.Config{})
	f := decode.Flow{Bytes: 1400, Header: frame, HeaderLink: decode.LinkEthernet}
	d.AddHeader(&f)
	require.Equal(t, "198.51.100.1 203.0.113.1 53 4000 17", fmt.Sprint(f.Src, " ", f.Dst, " ", f.SrcPort, " ", f.DstPort, " ", f.Proto))
	f = decode.Flow{Header: frame[:20], HeaderLink: decode.LinkEthernet}
	d.AddHeader(&f)
	require.False(t, f.Src.IsValid())
}

func FuzzDecode(f *testing.F) {
	f.Add(packettest.SFlow(agent, 1, packettest.Sample(1, 4, 5, packettest.RawHeader(1400, frame))))
	f.Add(packettest.SFlow("2001:db8::1", 1, packettest.Element(2, make([]byte, 40)), packettest.Element(3, make([]byte, 80))))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, st := decoded(b)
		if uint64(len(e.Flows)) != st.Flows || st.Flows*40 > uint64(len(b)) || (e.Err != nil) != (st.Malformed == 1) {
			t.Fatalf("%d flows in %d bytes: %+v", len(e.Flows), len(b), st)
		}
		d := decode.NewDecoder(decode.Config{})
		for i := range e.Flows {
			if e.Flows[i].Header != nil {
				d.AddHeader(&e.Flows[i])
			}
		}
	})
}

func TestDecodeAllocs(t *testing.T) {
	d, headers := sflow.New(), decode.NewDecoder(decode.Config{})
	b := packettest.SFlow(agent, 1, packettest.Sample(1, 4, 5, packettest.RawHeader(1400, frame)))
	var e decode.FlowDatagram
	read := func() {
		d.Decode(0, sender, b, &e)
		headers.AddHeader(&e.Flows[0])
	}
	read()
	require.Zero(t, testing.AllocsPerRun(100, read))
}

// A datagram of seven samples, as 1500 bytes hold.
func BenchmarkDecode(b *testing.B) {
	var samples [][]byte
	for range 7 {
		samples = append(samples, packettest.Sample(512, 4, 5, packettest.RawHeader(1400, append(frame, make([]byte, 128-len(frame))...))))
	}
	datagram := packettest.SFlow(agent, 1, samples...)
	d, headers := sflow.New(), decode.NewDecoder(decode.Config{})
	var e decode.FlowDatagram
	b.ReportAllocs()
	for b.Loop() {
		d.Decode(0, sender, datagram, &e)
		for i := range e.Flows {
			headers.AddHeader(&e.Flows[i])
		}
	}
	b.ReportMetric(float64(b.N*len(samples))/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(samples)), "ns/record")
}

func Example() {
	sample := packettest.Sample(512, 7, 9, packettest.RawHeader(1400, frame))

	d, headers := sflow.New(), decode.NewDecoder(decode.Config{})
	var e decode.FlowDatagram
	d.Decode(0, sender, packettest.SFlow(agent, 1, sample), &e)
	for i := range e.Flows {
		f := &e.Flows[i]
		headers.AddHeader(f)
		fmt.Println(e.Device, "saw", f.Src, "to", f.Dst, f.Bytes, "bytes, one packet in", f.Sampling)
	}
	// Output: 192.0.2.254 saw 198.51.100.1 to 203.0.113.1 1400 bytes, one packet in 512
}

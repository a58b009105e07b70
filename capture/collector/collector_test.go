package collector_test

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/collector"
	"visor/decode"
)

func listen(t testing.TB, address string) (*collector.Source, *net.UDPConn) {
	src, err := collector.Listen(collector.Config{Address: address})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, src.Close()) })
	to := net.UDPAddrFromAddrPort(src.Addr())
	if to.IP.IsUnspecified() {
		to.IP = net.IPv4(127, 0, 0, 1)
	}
	conn, err := net.DialUDP("udp", nil, to)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return src, conn
}

func TestPackets(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		src, conn := listen(t, address)
		for _, payload := range []string{"hello", "", "much longer than the first one was"} {
			_, err := conn.Write([]byte(payload))
			require.NoError(t, err)
			var b capture.Batch
			require.NoError(t, src.ReadBatch(&b))
			require.Len(t, b.Frames, 1)
			f := b.Frames[0]
			p := decode.Packet{Frame: f.Data, WireLen: f.WireLen, Link: f.Link}
			require.NoError(t, decode.NewDecoder(decode.Config{}).Decode(&p))
			require.Equal(t, payload, string(p.Payload))
			require.Zero(t, p.Cut)
			from := conn.LocalAddr().(*net.UDPAddr).AddrPort()
			require.Equal(t, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), p.Src)
			require.Equal(t, src.Addr().Port(), p.Dst.Port())
		}
	}
}

func TestClose(t *testing.T) {
	src, _ := listen(t, "127.0.0.1:0")
	done := make(chan error)
	go func() {
		var b capture.Batch
		done <- src.ReadBatch(&b)
	}()
	require.NoError(t, src.Close())
	require.ErrorIs(t, <-done, capture.ErrClosed)
	require.NoError(t, src.Close())
}

func TestErrors(t *testing.T) {
	_, err := collector.Listen(collector.Config{Address: "nonsense"})
	require.ErrorContains(t, err, "nonsense")
	src, _ := listen(t, "127.0.0.1:0")
	_, err = collector.Listen(collector.Config{Address: src.Addr().String()})
	require.ErrorContains(t, err, src.Addr().String())
}

// TestDrops checks that dropped datagrams are reported with the next datagram that the kernel
// keeps.
func TestDrops(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("skipped: only Linux tells of drops")
	}
	src, err := collector.Listen(collector.Config{Address: "127.0.0.1:0", Buffer: 4096})
	require.NoError(t, err)
	defer src.Close()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(src.Addr()))
	require.NoError(t, err)
	defer conn.Close()
	const sent = 200
	for range sent {
		_, err := conn.Write(make([]byte, 1000))
		require.NoError(t, err)
	}
	got := uint64(0)
	var b capture.Batch
	for src.Drops() == 0 { // the first datagram kept after a loss carries the count
		require.NoError(t, src.ReadBatch(&b))
		got++
		_, err := conn.Write(make([]byte, 1000))
		require.NoError(t, err)
	}
	require.Greater(t, src.Drops(), uint64(sent)/2)
	require.Less(t, got, uint64(sent))
}

func TestReadAllocs(t *testing.T) {
	src, conn := listen(t, "127.0.0.1:0")
	var b capture.Batch
	payload := make([]byte, 1400)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = conn.Write(payload)
		_ = src.ReadBatch(&b)
	}))
}

func ExampleListen() {
	src, err := collector.Listen(collector.Config{Address: "127.0.0.1:0"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer src.Close()
	exporter, err := net.Dial("udp", src.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer exporter.Close()
	if _, err := exporter.Write([]byte("a datagram")); err != nil {
		fmt.Println(err)
		return
	}
	var b capture.Batch
	if err := src.ReadBatch(&b); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(b.Frames), "packet of", b.Frames[0].WireLen, "bytes")
	// Output: 1 packet of 38 bytes
}

// A datagram of 1400 bytes, sent and received.
func BenchmarkReadBatch(b *testing.B) {
	src, conn := listen(b, "127.0.0.1:0")
	var batch capture.Batch
	payload := make([]byte, 1400)
	b.ReportAllocs()
	for b.Loop() {
		_, err := conn.Write(payload)
		require.NoError(b, err)
		require.NoError(b, src.ReadBatch(&batch))
	}
}

// The kernel counts drops in 32 bits. Drops goes on: a counter never falls, and a smaller number
// than before would count as 2^64 lost frames.
func TestDropsOfTheKernelWrap(t *testing.T) {
	s, err := collector.Listen(collector.Config{Address: "127.0.0.1:0"})
	require.NoError(t, err)
	defer s.Close()
	for _, step := range []struct {
		total uint32
		want  uint64
	}{{5, 5}, {5, 5}, {1<<32 - 2, 1<<32 - 2}, {3, 1<<32 + 3}, {4, 1<<32 + 4}, {1<<32 - 1, 2<<32 - 1}, {1, 2<<32 + 1}} {
		s.Lost(step.total)
		require.Equal(t, step.want, s.Drops())
	}
}

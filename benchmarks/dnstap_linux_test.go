package benchmarks

import (
	"context"
	"encoding/binary"
	"net"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"visor/capture"
	"visor/capture/dnstap"
	"visor/decode/dnstapmsg"
	"visor/handler"
	"visor/internal/cputime"
)

// taps returns Frame Streams data frames with the messages of varied, and their number.
func taps(tb testing.TB) (stream []byte, messages int) {
	frames, _ := varied()
	for _, f := range frames[:100_000] {
		const ip, udp, payload = 14, 34, 42
		d := f.Data
		if d[ip] != 0x45 {
			continue // IPv6 is rare, and so are options
		}
		m := dnstapmsg.Message{Protocol: dnstapmsg.UDP, IPv4: true}
		src, dst, srcPort, dstPort := d[ip+12:ip+16], d[ip+16:ip+20], binary.BigEndian.Uint16(d[udp:]), binary.BigEndian.Uint16(d[udp+2:])
		if d[payload+2]&0x80 == 0 {
			m.Type, m.QueryTime, m.Query = dnstapmsg.ClientQuery, f.TimeNS, d[payload:]
			m.QueryAddr, m.QueryPort, m.ResponseAddr, m.ResponsePort = src, srcPort, dst, dstPort
		} else {
			m.Type, m.ResponseTime, m.Response = dnstapmsg.ClientResponse, f.TimeNS, d[payload:]
			m.QueryAddr, m.QueryPort, m.ResponseAddr, m.ResponsePort = dst, dstPort, src, srcPort
		}
		stream = m.AppendTo(binary.BigEndian.AppendUint32(stream, uint32(m.Len())))
		messages++
	}
	require.Greater(tb, messages, 50_000)
	return stream, messages
}

// tapped runs a pipeline on a listener and returns a connection to it, ready for data frames.
func tapped(b *testing.B, network string) (*dnstap.Listener, net.Conn) {
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(b.TempDir(), "dnstap.sock")
	}
	l, err := dnstap.Listen(dnstap.Config{Network: network, Address: address})
	require.NoError(b, err)
	p, err := handler.NewPipeline(handler.Config{
		Sources: []capture.Source{l}, Handlers: analyzers(b, "net", "dns", "pcap"), Hosts: ownNets(b),
	})
	require.NoError(b, err)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = p.Run(ctx) })
	conn, err := net.Dial(network, l.Addr().String())
	require.NoError(b, err)
	b.Cleanup(func() {
		conn.Close()
		stop()
		running.Wait()
	})
	const content = "protobuf:dnstap.Dnstap"
	start := binary.BigEndian.AppendUint32(nil, 0)
	// START with a content type
	for _, n := range []uint32{uint32(12 + len(content)), 2, 1, uint32(len(content))} {
		start = binary.BigEndian.AppendUint32(start, n)
	}
	_, err = conn.Write(append(start, content...))
	require.NoError(b, err)
	return l, conn
}

// BenchmarkDnstapSocket measures the CPU time of a message from the socket to the default metrics.
// The time of the sender's thread is not in it.
func BenchmarkDnstapSocket(b *testing.B) {
	stream, messages := taps(b)
	for _, network := range []string{"unix", "tcp"} {
		b.Run(network, func(b *testing.B) {
			l, conn := tapped(b, network)
			sent, process, sender := uint64(0), int64(0), int64(0)
			for b.Loop() {
				began := cpuTime(b)
				done := make(chan int64)
				go func() {
					start := cputime.Thread(b)
					_, _ = conn.Write(stream)
					done <- cputime.Thread(b) - start
				}()
				sender += <-done
				for sent += uint64(messages); l.Stats().Frames < sent; {
					time.Sleep(time.Millisecond)
				}
				process += cpuTime(b) - began
			}
			b.ReportMetric(float64(process-sender)/float64(sent), "cpu-ns/message")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkDnstapOffered offers a million messages a second for a second. It measures which part of
// that time the sender is blocked, that is, the socket does not accept its bytes.
func BenchmarkDnstapOffered(b *testing.B) {
	stream, messages := taps(b)
	const perTick, tick, ticks = 1000, time.Millisecond, 1000
	part := len(stream) / (messages / perTick)
	for _, network := range []string{"unix", "tcp"} {
		b.Run(network, func(b *testing.B) {
			_, conn := tapped(b, network)
			raw, err := conn.(syscall.Conn).SyscallConn()
			require.NoError(b, err)
			var blocked, spent time.Duration
			at := 0
			for b.Loop() {
				start := time.Now()
				for i := range ticks {
					for time.Since(start) < time.Duration(i)*tick {
						runtime.Gosched()
					}
					end := min(at+part, len(stream))
					blocked += writeAll(b, raw, stream[at:end])
					if at = end; at == len(stream) {
						at = 0
					}
				}
				spent += time.Since(start)
			}
			b.ReportMetric(100*blocked.Seconds()/spent.Seconds(), "blocked-%")
			b.ReportMetric(float64(b.N*ticks*perTick)/spent.Seconds(), "messages/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// writeAll writes data and returns the time during which the socket accepted none.
func writeAll(b *testing.B, raw syscall.RawConn, data []byte) (blocked time.Duration) {
	var full time.Time
	err := raw.Write(func(fd uintptr) bool {
		if !full.IsZero() {
			blocked += time.Since(full)
		}
		for len(data) > 0 {
			n, err := unix.Write(int(fd), data)
			if err == unix.EAGAIN {
				full = time.Now()
				return false
			}
			require.NoError(b, err)
			data = data[n:]
		}
		return true
	})
	require.NoError(b, err)
	return blocked
}

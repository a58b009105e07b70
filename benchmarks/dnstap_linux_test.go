package benchmarks

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
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

// listenTapped runs a pipeline on a listener.
func listenTapped(b *testing.B, network string) *dnstap.Listener {
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
	b.Cleanup(func() {
		stop()
		running.Wait()
	})
	return l
}

// dialTapped returns a connection to a listener, ready for data frames.
func dialTapped(tb testing.TB, network, address string) net.Conn {
	conn, err := net.Dial(network, address)
	require.NoError(tb, err)
	const content = "protobuf:dnstap.Dnstap"
	start := binary.BigEndian.AppendUint32(nil, 0)
	// START with a content type
	for _, n := range []uint32{uint32(12 + len(content)), 2, 1, uint32(len(content))} {
		start = binary.BigEndian.AppendUint32(start, n)
	}
	_, err = conn.Write(append(start, content...))
	require.NoError(tb, err)
	return conn
}

// BenchmarkDnstapSocket measures the CPU time of a message from the socket to the default metrics.
// The time of the sender's thread is not in it.
func BenchmarkDnstapSocket(b *testing.B) {
	stream, messages := taps(b)
	for _, network := range []string{"unix", "tcp"} {
		b.Run(network, func(b *testing.B) {
			l := listenTapped(b, network)
			conn := dialTapped(b, network, l.Addr().String())
			defer conn.Close()
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

// BenchmarkDnstapOffered offers a million messages a second for a second, in writes of 64 messages,
// which is how much the library fstrm of DNS servers collects. It measures which part of that time
// the sender is blocked, that is, the socket does not accept its bytes. The sender is a process
// with the last core to itself, and the pipeline has the first core. A Unix socket has only the
// sender's buffer of some 200 KB, which is 1.5 ms; with sndbuf the sender asks for 4 MB.
func BenchmarkDnstapOffered(b *testing.B) {
	cores := runtime.NumCPU() // a pinned process would see one
	for _, bench := range []struct {
		name, network string
		sndbuf        int
	}{{"unix", "unix", 0}, {"unix/sndbuf", "unix", 4 << 20}, {"tcp", "tcp", 0}} {
		b.Run(bench.name, func(b *testing.B) {
			l := listenTapped(b, bench.network)
			pin(b, 0)
			blocked, rate, away := 0.0, 0.0, 0.0
			begun, spent := l.Stats().Frames, cpuTime(b)
			for b.Loop() {
				cmd := exec.Command(os.Args[0], "-test.run=^TestOffer$", "-test.v")
				cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %d %d", offerTo, bench.network, l.Addr(), bench.sndbuf, cores-1))
				out, err := cmd.CombinedOutput()
				require.NoError(b, err, "%s", out)
				var part, messages, ms float64
				_, offered, _ := strings.Cut(string(out), "offered: ")
				_, err = fmt.Sscan(offered, &part, &messages, &ms)
				require.NoError(b, err, "%s", out)
				blocked, rate, away = blocked+part, rate+messages, away+ms
			}
			b.ReportMetric(float64(cpuTime(b)-spent)/float64(l.Stats().Frames-begun), "cpu-ns/message")
			b.ReportMetric(blocked/float64(b.N), "blocked-%")
			b.ReportMetric(rate/float64(b.N), "messages/s")
			b.ReportMetric(away/float64(b.N), "sender-away-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// offerTo is the environment variable with the network, address, buffer size and core of TestOffer.
const offerTo = "VISOR_OFFER_TO"

// pin keeps the process on one core until the end of the benchmark.
func pin(tb testing.TB, core int) {
	var all, one unix.CPUSet
	require.NoError(tb, unix.SchedGetaffinity(0, &all))
	one.Set(core)
	setCores(tb, &one)
	procs := runtime.GOMAXPROCS(1) // as a process has it that starts on one core
	tb.Cleanup(func() {
		runtime.GOMAXPROCS(procs)
		setCores(tb, &all)
	})
}

// setCores moves all threads of the process. New ones inherit it.
func setCores(tb testing.TB, cores *unix.CPUSet) {
	threads, err := filepath.Glob("/proc/self/task/*")
	require.NoError(tb, err)
	for _, path := range threads {
		tid, err := strconv.Atoi(filepath.Base(path))
		require.NoError(tb, err)
		_ = unix.SchedSetaffinity(tid, cores) // the thread may have ended
	}
}

// TestOffer is the sender of BenchmarkDnstapOffered, which runs it as another process.
func TestOffer(t *testing.T) {
	to := os.Getenv(offerTo)
	if to == "" {
		t.Skip("skipped: BenchmarkDnstapOffered runs it")
	}
	var network, address string
	var sndbuf, core int
	_, err := fmt.Sscan(to, &network, &address, &sndbuf, &core)
	require.NoError(t, err)
	pin(t, core)
	stream, messages := taps(t)
	conn := dialTapped(t, network, address)
	defer conn.Close()
	if sndbuf > 0 {
		require.NoError(t, conn.(*net.UnixConn).SetWriteBuffer(sndbuf))
	}
	raw, err := conn.(syscall.Conn).SyscallConn()
	require.NoError(t, err)

	const perTick, tick, ticks = 64, 64 * time.Microsecond, 15_625
	part := len(stream) / (messages / perTick)
	var blocked time.Duration
	at := 0
	// with chrt -f, threads have a core for 0.95 s of each second: the pipeline needs them now
	time.Sleep(time.Second)
	clock := newSenderClock()
	for i := range ticks {
		clock.await(time.Duration(i) * tick)
		end := min(at+part, len(stream))
		blocked += writeAll(t, raw, stream[at:end])
		clock.last = time.Now()
		if at = end; at == len(stream) {
			at = 0
		}
	}
	spent := (time.Since(clock.start) - clock.away).Seconds()
	fmt.Printf("offered: %g %g %g\n", 100*blocked.Seconds()/spent, ticks*perTick/spent, clock.away.Seconds()*1e3)
}

// senderClock is the time in which a sender had its core. With chrt -f, a spinning thread loses its
// core for 50 ms of each second. What the sender missed then is not sent later, because that would
// exceed the rate.
type senderClock struct {
	start, last time.Time
	away        time.Duration
}

func newSenderClock() *senderClock {
	now := time.Now()
	return &senderClock{start: now, last: now}
}

// await spins until a time since the start, without the time in which the thread did not run.
func (c *senderClock) await(due time.Duration) {
	const pause = 200 * time.Microsecond
	for {
		now := time.Now()
		if gap := now.Sub(c.last); gap > pause {
			c.away += gap
		}
		if c.last = now; now.Sub(c.start)-c.away >= due {
			return
		}
	}
}

// writeAll writes data and returns the time during which the socket accepted none.
func writeAll(tb testing.TB, raw syscall.RawConn, data []byte) (blocked time.Duration) {
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
			require.NoError(tb, err)
			data = data[n:]
		}
		return true
	})
	require.NoError(tb, err)
	return blocked
}

package benchmarks

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"visor/capture/afpacket"
	"visor/handler"
	"visor/internal/cputime"
	"visor/internal/netns"
)

// BenchmarkLive captures what a second namespace sends through a cable, one system call a frame.
// The CPU time of the sender's thread is not in it; the kernel delivers frames in that thread, too.
// It needs root:
//
//	go test -c -o /tmp/b ./benchmarks && ip netns add bench
//	ip netns exec bench env VISOR_TEST_NAMESPACE=1 /tmp/b -test.run xxx -test.bench Live
func BenchmarkLive(b *testing.B) {
	netns.Inside(b)
	neighbour := netns.Neighbour(b)
	netns.Cable(b, netns.Receiver, netns.Sender, neighbour)
	live, err := afpacket.Open(afpacket.Config{Interface: netns.Receiver})
	require.NoError(b, err)
	p, err := handler.NewPipeline(handler.Config{
		Sources: live.Sources(), Handlers: analyzers(b, "net", "dns", "pcap"), Hosts: ownNets(b),
	})
	require.NoError(b, err)
	ctx, stop := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = p.Run(ctx) })
	frames, _ := varied()
	process, sender, elapsed := int64(0), int64(0), time.Duration(0)
	for b.Loop() {
		began, done := cpuTime(b), make(chan int64)
		start := time.Now()
		go func() {
			defer close(done) // even if the socket cannot be opened
			fd := sendingSocket(b, neighbour)
			defer unix.Close(fd)
			spent := cputime.Thread(b)
			for i := range frames {
				_, _ = unix.Write(fd, frames[i].Data) // the statistics of the ring show losses
			}
			done <- cputime.Thread(b) - spent
		}()
		sender += <-done
		elapsed += time.Since(start)
		time.Sleep(50 * time.Millisecond) // until the last block of the ring is read
		process += cpuTime(b) - began
	}
	stats := live.Stats()
	stop()
	running.Wait()
	b.ReportMetric(float64(process-sender)/float64(max(stats.Packets, 1)), "cpu-ns/pkt")
	b.ReportMetric(float64(stats.Packets)/elapsed.Seconds(), "packets/s")
	b.ReportMetric(100*float64(stats.Drops)/float64(max(stats.Packets, 1)), "drops-%")
	b.ReportMetric(0, "ns/op")
}

// sendingSocket returns a socket for frames in a namespace, in which the calling thread stays.
func sendingSocket(b *testing.B, namespace string) (fd int) {
	runtime.LockOSThread() // a thread that is locked at the end of its goroutine ends
	ns, err := os.Open(filepath.Join("/var/run/netns", namespace))
	require.NoError(b, err)
	defer ns.Close()
	require.NoError(b, unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET))
	iface, err := net.InterfaceByName(netns.Sender)
	require.NoError(b, err)
	fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	require.NoError(b, err)
	require.NoError(b, unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: iface.Index}))
	return fd
}

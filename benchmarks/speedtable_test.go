package benchmarks

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"visor/capture"
	"visor/decode"
	"visor/internal/packettest"
)

// BenchmarkWorkers compares two workers with one: with a queue each, with one file, and as two
// readers of two files that have nothing in common. cpu-ns/pkt shows what sharing costs; twice the
// figure of one worker, divided by it, is the most that two idle cores can gain.
func BenchmarkWorkers(b *testing.B) {
	frames, _ := varied()
	mem := capture.NewMemory(frames)
	queues := split(frames, 2)
	names := []string{"net", "dns", "pcap"}
	for _, bench := range []struct {
		name string
		run  func()
	}{
		{"one", func() { run(b, mem, 1, ownNets(b), names...) }},
		{"queues", func() { runSources(b, rewound(queues), ownNets(b), names...) }},
		{"readers", func() {
			var both sync.WaitGroup
			for _, q := range queues {
				both.Go(func() { run(b, q, 1, ownNets(b), names...) })
			}
			both.Wait()
		}},
		{"file", func() { run(b, mem, 2, ownNets(b), names...) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			perPacket(b, len(frames), bench.run)
		})
	}
}

// rewriter yields 512 frames again and again: queries and replies of 256 clients. Before each pass
// it writes other names and clients into them. keys is the number of both.
type rewriter struct {
	frames []capture.Frame
	keys   uint32
	left   int // passes
	next   uint32
}

const rewritten = 512

func newRewriter(keys uint32, passes int) *rewriter {
	r := &rewriter{keys: keys, left: passes}
	for i := range rewritten / 2 {
		const client, server = "10.0.0.0:5000", "192.0.2.1:53"
		at := time.Duration(i) * time.Microsecond
		query := packettest.Query(uint16(i), "00000000.example.com", 1)
		r.frames = append(r.frames, packettest.UDP(at, client, server, query),
			packettest.UDP(at+time.Microsecond/2, server, client, packettest.Reply(query, 0, 1)))
	}
	return r
}

func (r *rewriter) ReadBatch(b *capture.Batch) error {
	const src, dst, label = 14 + 12, 14 + 16, 14 + 20 + 8 + 12 + 1
	b.Reset()
	if r.left == 0 {
		return io.EOF
	}
	r.left--
	for i := 0; i < rewritten; i += 2 {
		key := r.next * 2654435761 % r.keys // spreads over the keys
		r.next++
		for k, addr := range [2]int{src, dst} {
			f := &r.frames[i+k]
			f.TimeNS += rewritten / 2 * int64(time.Microsecond)
			binary.BigEndian.PutUint32(f.Data[addr:], 0x0A000000|key&0xFFFFFF)
			for d := range 8 {
				f.Data[label+d] = "0123456789abcdef"[key>>(4*d)&15]
			}
		}
	}
	b.Frames = append(b.Frames, r.frames...)
	return nil
}

func (r *rewriter) Close() error { return nil }

// BenchmarkKeys measures a packet while the number of distinct names and clients grows, and the
// frames stay in the first caches. heap-MB is what the pipeline holds at its end.
func BenchmarkKeys(b *testing.B) {
	own, _ := decode.ParseNetSet(netip.MustParsePrefix("192.0.2.0/24").String())
	for _, keys := range []uint32{1e3, 1e4, 1e5, 1e6, 1e7} {
		b.Run(fmt.Sprint(keys), func(b *testing.B) {
			const passes = 1000
			var mem runtime.MemStats
			perPacket(b, passes*rewritten, func() {
				p := runSources(b, []capture.Source{newRewriter(keys, passes)}, own, "net", "dns", "pcap")
				runtime.ReadMemStats(&mem)
				runtime.KeepAlive(p)
			})
			b.ReportMetric(float64(mem.HeapInuse)/1e6, "heap-MB")
		})
	}
}

package handler_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/handler"
	"visor/handler/bgp"
	"visor/handler/dns"
	"visor/internal/packettest"
)

const (
	asker    = "192.0.2.7:40000"
	answerer = "198.51.100.53:53"
)

// summary holds the counts of DNS handlers of both versions.
type summary struct {
	v1 *dns.Metrics
	v2 *dns.Direction // of unknown direction; nil without a transaction
	*handler.Pipeline
}

// summarise runs frames through a pipeline with DNS handlers of both versions.
func summarise(t testing.TB, cfg handler.Config, frames ...capture.Frame) summary {
	all := handler.Settings{Periods: 1, Enable: []string{"all"}}
	v1, err := dns.New(dns.Config{Settings: all})
	require.NoError(t, err)
	all.Name = "v2"
	v2, err := dns.NewTransactions(dns.Config{Settings: all})
	require.NoError(t, err)
	cfg.Sources, cfg.Handlers = []capture.Source{capture.NewMemory(frames)}, []handler.Handler{v1, v2}
	p, err := handler.NewPipeline(cfg)
	require.NoError(t, err)
	require.NoError(t, p.Run(context.Background()))
	s, err := p.Bucket(0)
	require.NoError(t, err)
	return summary{dns.From(s), dns.FromTransactions(s).Directions.Find("unknown"), p}
}

// ports returns the client ports in the list of version 1, with their counts.
func (s summary) ports() (out []string) {
	for _, e := range s.v1.TopPorts.Top(100) {
		out = append(out, fmt.Sprint(e.Key, " ", e.Upper))
	}
	return out
}

func (s summary) reasons() string {
	var b strings.Builder
	for _, r := range s.Reasons() {
		fmt.Fprintf(&b, "%s: %d\n", r.Text, r.Count)
	}
	return b.String()
}

// talk is a connection between a client and a server.
type talk struct {
	frames   []capture.Frame
	seq, ack uint32
	now      time.Duration
}

const flagPSHACK = decode.FlagPSH | decode.FlagACK

func (c *talk) client(flags uint8, payload []byte) {
	c.frames = append(c.frames, packettest.TCP(c.now, asker, answerer, flags, c.seq, c.ack, payload))
	c.seq += uint32(len(payload))
}

func (c *talk) server(flags uint8, payload []byte) {
	c.frames = append(c.frames, packettest.TCP(c.now, answerer, asker, flags, c.ack, c.seq, payload))
	c.ack += uint32(len(payload))
}

func newTalk() *talk {
	c := &talk{seq: 100, ack: 1000}
	c.client(decode.FlagSYN, nil)
	c.seq++
	c.server(decode.FlagSYN|decode.FlagACK, nil)
	c.ack++
	return c
}

// exchange is the query with this id and its reply, 10 ms later. If apart is set, the client writes
// the length and the message in separate segments.
func (c *talk) exchange(id int, apart bool) {
	q := packettest.Query(uint16(id), fmt.Sprintf("n%d.example", id), 1)
	if b := packettest.Stream(q); apart {
		c.client(flagPSHACK, b[:2])
		c.client(flagPSHACK, b[2:])
	} else {
		c.client(flagPSHACK, b)
	}
	c.now += 10 * time.Millisecond
	c.server(flagPSHACK, packettest.Stream(packettest.Reply(q, 0, 1)))
	c.now += time.Second
}

// TestLossInStream loses one client segment in a hundred exchanges. The others are transactions of
// 10 ms each.
func TestLossInStream(t *testing.T) {
	for _, apart := range []bool{false, true} {
		for _, pause := range []time.Duration{0, time.Second} {
			c := newTalk()
			for i := range 100 {
				at := len(c.frames)
				c.exchange(i, apart)
				if c.now -= time.Second - pause; i == 40 { // the whole query, in one segment or two
					c.frames = append(c.frames[:at], c.frames[len(c.frames)-1])
				}
			}
			s := summarise(t, handler.Config{}, c.frames...)
			name := fmt.Sprintf("apart %v, pause %v", apart, pause)
			require.Equal(t, []uint64{99, 100, 99}, []uint64{s.v1.Queries.Value(), s.v1.Replies.Value(), s.v1.Trans.Value()}, name)
			require.Equal(t, []uint64{99, 1, 0}, []uint64{s.v2.Trans.Value(), s.v2.Orphans.Value(), s.v2.TimedOut.Value()}, name)
			require.Equal(t, []float64{10000, 10000}, []float64{s.v2.Time.Min(), s.v2.Time.Max()}, name)
		}
	}
}

// TestLateSegment delivers the segment of a query after the next query and after its own reply. All
// keep their times.
func TestLateSegment(t *testing.T) {
	c := newTalk()
	first, second := packettest.Query(1, "one.example", 1), packettest.Query(2, "two.example", 1)
	c.client(flagPSHACK, packettest.Stream(first))
	c.client(flagPSHACK, packettest.Stream(second))
	c.now += 10 * time.Millisecond
	c.server(flagPSHACK, packettest.Stream(packettest.Reply(first, 0, 1)))
	c.server(flagPSHACK, packettest.Stream(packettest.Reply(second, 0, 1)))
	f := c.frames
	s := summarise(t, handler.Config{}, f[0], f[1], f[3], f[4], f[2], f[5])
	require.Equal(t, uint64(2), s.v2.Trans.Value())
	require.Zero(t, s.v2.Orphans.Value())
	require.Equal(t, []float64{10000, 10000}, []float64{s.v2.Time.Min(), s.v2.Time.Max()})
}

// TestBeginsWithinMessage starts a capture within a message as large as a zone transfer.
func TestBeginsWithinMessage(t *testing.T) {
	var b []byte
	for i := range 10 {
		b = append(b, packettest.Stream(packettest.Reply(packettest.Query(uint16(i), "zone.example", 1), 0, 200))...)
	}
	var frames []capture.Frame
	for at := 100; at < len(b); at += 1400 {
		frames = append(frames, packettest.TCP(0, answerer, asker, flagPSHACK, uint32(at), 1, b[at:min(at+1400, len(b))]))
	}
	s := summarise(t, handler.Config{}, frames...)
	require.Equal(t, uint64(9), s.v1.Replies.Value())
}

func TestNotDNS(t *testing.T) {
	var frames []capture.Frame
	// WireGuard (https://www.wireguard.com/protocol/): type, receiver, counter, ciphertext
	for i := range 100 {
		b := binary.LittleEndian.AppendUint32(nil, 4)
		b = binary.LittleEndian.AppendUint32(b, 0x8F3A21D6)
		b = binary.LittleEndian.AppendUint64(b, uint64(i))
		b = append(b, make([]byte, 16)...)
		frames = append(frames, packettest.UDP(0, asker, answerer, b))
	}
	frames = append(frames, packettest.UDP(0, asker, answerer, packettest.Query(1, "a.example", 1)))
	s := summarise(t, handler.Config{}, frames...)
	require.Equal(t, []uint64{101, 1, 1}, []uint64{s.v1.Events.Value(), s.v1.Total.Value(), s.v1.Queries.Value()})
	require.Equal(t, uint64(100), s.HandlerAccounts()["dns"].Undecodable)
	require.Equal(t, "not DNS, on a DNS port: 100\n", s.reasons())
}

func TestDNSPorts(t *testing.T) {
	q := packettest.Query(1, "a.example", 1)
	frames := []capture.Frame{
		packettest.UDP(0, asker, "198.51.100.53:8053", q),
		packettest.UDP(0, "198.51.100.53:8053", asker, packettest.Reply(q, 0, 1)),
		packettest.UDP(0, asker, answerer, q),
	}
	require.Equal(t, uint64(1), summarise(t, handler.Config{}, frames...).v1.Events.Value())
	s := summarise(t, handler.Config{DNSPorts: []uint16{8053}}, frames...)
	require.Equal(t, []uint64{2, 1}, []uint64{s.v1.Events.Value(), s.v1.Trans.Value()})
	require.Equal(t, []string{"40000 2"}, s.ports())
}

// proxyHeader returns a PROXY protocol header of version 2 with a client's address and the given
// port.
func proxyHeader(port uint16) []byte {
	b := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), 0x21, 0x12, 0, 12, 203, 0, 113, 9, 198, 51, 100, 53)
	b = binary.BigEndian.AppendUint16(b, port)
	return append(b, 0, 53)
}

// TestProxyProtocol has a load balancer ask for others, over UDP and TCP. The client in a trusted
// header counts.
func TestProxyProtocol(t *testing.T) {
	var frames []capture.Frame
	for i := range 20 {
		q := packettest.Query(uint16(i), "a.example", 1)
		frames = append(frames,
			packettest.UDP(0, asker, answerer, append(proxyHeader(uint16(7000+i%2)), q...)),
			packettest.UDP(0, answerer, asker, packettest.Reply(q, 0, 1)))
	}
	for _, header := range [][]byte{proxyHeader(7002), []byte("PROXY TCP4 203.0.113.9 198.51.100.53 7003 53\r\n")} {
		for _, size := range []int{1, 20, 1000} { // bytes of a segment
			c := newTalk()
			q := packettest.Query(99, "b.example", 1)
			for b := append(header[:len(header):len(header)], packettest.Stream(q)...); len(b) > 0; b = b[min(size, len(b)):] {
				c.client(flagPSHACK, b[:min(size, len(b))])
			}
			c.server(flagPSHACK, packettest.Stream(packettest.Reply(q, 0, 1)))
			c.client(decode.FlagRST, nil)
			for i := range c.frames {
				c.frames[i].TimeNS += int64(len(frames)) * int64(time.Hour) // after the others
			}
			frames = append(frames, c.frames...)
		}
	}
	s := summarise(t, handler.Config{ProxyFrom: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, frames...)
	require.Equal(t, []uint64{26, 26, 26, 12}, []uint64{s.v1.Queries.Value(), s.v1.Replies.Value(), s.v1.Trans.Value(), s.v1.TCP.Value()})
	require.ElementsMatch(t, []string{"7000 20", "7001 20", "7002 6", "7003 6"}, s.ports())
	require.Equal(t, uint64(26), s.v2.Trans.Value())
	require.Empty(t, s.reasons())

	s = summarise(t, handler.Config{}, frames...)
	require.Equal(t, uint64(26), s.v1.Trans.Value(), "messages are read, but anybody can forge a header")
	require.Equal(t, []string{"40000 52"}, s.ports())
	require.Equal(t, "PROXY protocol header whose addresses are not believed: proxy_from does not list 192.0.2.7: 26\n", s.reasons())
}

// memory returns the bytes that the heap holds.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestFloodOfSYNs has 70,000 spoofed SYNs. Each costs at most 24 bytes, and a regular client is
// still served.
func TestFloodOfSYNs(t *testing.T) {
	flood := &synFlood{n: 70_000}
	c := newTalk()
	c.exchange(1, false)
	all := handler.Settings{Periods: 1}
	v1, err := dns.New(dns.Config{Settings: all})
	require.NoError(t, err)
	src := capture.Merge(flood, capture.NewMemory(c.frames))
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{src}, Handlers: []handler.Handler{v1}})
	require.NoError(t, err)
	before := memory()
	require.NoError(t, p.Run(context.Background()))
	require.Less(t, memory()-before, int64(24*70_000+600_000))
	s, err := p.Bucket(0)
	require.NoError(t, err)
	require.Equal(t, uint64(1), dns.From(s).Trans.Value())
	require.Contains(t, summary{Pipeline: p}.reasons(), "TCP handshake forgotten: too many at once: ")
}

// synFlood is a source of n SYNs from n addresses.
type synFlood struct{ at, n int }

func (f *synFlood) ReadBatch(b *capture.Batch) error {
	b.Reset()
	for ; f.at < f.n && len(b.Frames) < capture.BatchSize; f.at++ {
		from := fmt.Sprintf("10.%d.%d.%d:%d", f.at>>16, f.at>>8&255, f.at&255, 1024+f.at%60000)
		b.Frames = append(b.Frames, packettest.TCP(time.Duration(f.at)*time.Microsecond, from, answerer, decode.FlagSYN, uint32(f.at), 0, nil))
	}
	if len(b.Frames) == 0 {
		return capture.ErrClosed
	}
	return nil
}

func (f *synFlood) Close() error { return nil }

// TestFloodOfBeginnings has 3,000 connections that send only the first 33 KB of a message each.
// They share one budget and the oldest connections lose their data first. A regular client is still
// served.
func TestFloodOfBeginnings(t *testing.T) {
	const budget = 2 << 20
	var frames []capture.Frame
	body := append([]byte{0xFF, 0xFF}, packettest.Reply(packettest.Query(1, "zone.example", 1), 0, 1)...)
	body = append(body, make([]byte, 1400-len(body))...)
	for i := range 3000 {
		from := fmt.Sprintf("10.0.%d.%d:4000", i>>8, i&255)
		frames = append(frames, packettest.TCP(0, from, answerer, decode.FlagSYN, 0, 0, nil))
		for k := range 24 {
			frames = append(frames, packettest.TCP(0, from, answerer, flagPSHACK, 1+uint32(1400*k), 1, body))
		}
	}
	c := newTalk()
	c.exchange(1, true)
	frames = append(frames, c.frames...)
	v1, err := dns.New(dns.Config{Settings: handler.Settings{Periods: 1}})
	require.NoError(t, err)
	b, err := bgp.New(bgp.Config{Settings: handler.Settings{Periods: 1}})
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{
		Sources: []capture.Source{capture.NewMemory(frames)}, Handlers: []handler.Handler{v1, b}, StreamBytes: budget,
	})
	require.NoError(t, err)
	before := memory()
	require.NoError(t, p.Run(context.Background()))
	require.Less(t, memory()-before, int64(budget+4_000_000), "the budget, and 1 KB a connection")
	s, err := p.Bucket(0)
	require.NoError(t, err)
	require.Equal(t, uint64(1), dns.From(s).Trans.Value())
	require.Contains(t, summary{Pipeline: p}.reasons(), "DNS or BGP message in TCP given up: too much was incomplete: 29")
}

package rssac002_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"visor/capture"
	"visor/export/rssac002"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/handlertest"
	"visor/internal/packettest"
)

// day holds exact counts of a generated day.
type day struct {
	volume, codes  map[string]uint64
	sizes          map[string]map[string]uint64
	v4, v6, prefix map[netip.Addr]bool
}

// message counts a message.
func (d *day) message(msg []byte, client netip.Addr, reply bool) {
	name, size, version := "dns-udp-queries-received-", "udp-request-sizes", "ipv4"
	if reply {
		name, size = "dns-udp-responses-sent-", "udp-response-sizes"
		d.codes[fmt.Sprint(msg[3]&15)]++
	}
	if client.Is6() {
		version = "ipv6"
	}
	d.volume[name+version]++
	bin, last := len(msg)/16*16, map[bool]int{false: 288, true: 4096}[reply]
	key := fmt.Sprintf("%d-%d", bin, bin+15)
	if bin >= last {
		key = fmt.Sprintf("%d-", last)
	}
	d.sizes[size][key]++
	switch {
	case reply:
	case client.Is4():
		d.v4[client] = true
	default:
		d.v6[client] = true
		d.prefix[netip.PrefixFrom(client, 64).Masked().Addr()] = true
	}
}

// generate returns the frames of a day, and exact counts.
func generate() (frames []capture.Frame, d day) {
	d = day{volume: map[string]uint64{}, codes: map[string]uint64{}, v4: map[netip.Addr]bool{}, v6: map[netip.Addr]bool{}, prefix: map[netip.Addr]bool{}}
	d.sizes = map[string]map[string]uint64{"udp-request-sizes": {}, "udp-response-sizes": {}}
	rnd := rand.New(rand.NewPCG(1, 2))
	const n = 5000
	for i := range n {
		client, server := netip.AddrFrom4([4]byte{198, 51, byte(rnd.IntN(4)), byte(rnd.IntN(250))}), "192.0.2.1:53"
		if rnd.IntN(2) == 0 {
			a := [16]byte{0x20, 1, 0x0D, 0xB8, 7: byte(rnd.IntN(100)), 15: byte(rnd.IntN(5))}
			client, server = netip.AddrFrom16(a), "[2001:db8:53::1]:53"
		}
		q := packettest.Query(uint16(i), fmt.Sprintf("n%d.example.com", rnd.IntN(1<<rnd.IntN(30))), 1)
		if i%50 == 0 {
			q = append(q, make([]byte, rnd.IntN(400))...) // some pad their queries
		}
		reply := packettest.Reply(q, []byte{0, 0, 2, 3}[rnd.IntN(4)], rnd.IntN(400)*rnd.IntN(2))
		from, at := netip.AddrPortFrom(client, 5000).String(), 24*time.Hour*time.Duration(i)/n
		frames = append(frames, packettest.UDP(at, from, server, q))
		d.message(q, client, false)
		if rnd.IntN(5) > 0 {
			frames = append(frames, packettest.UDP(at+time.Millisecond, server, from, reply))
			d.message(reply, client, true)
		}
	}
	return frames, d
}

// TestWrite compares the YAML of a day with exact counts, for both versions, merged from hours that
// were written and read.
func TestWrite(t *testing.T) {
	frames, want := generate()
	for _, version := range []string{"1.0", "2.0"} {
		t.Run(version, func(t *testing.T) {
			var sum handler.Merger
			hour := func(f capture.Frame) int64 { return f.TimeNS / int64(time.Hour) }
			for rest := frames; len(rest) > 0; {
				n := slices.IndexFunc(rest, func(f capture.Frame) bool { return hour(f) != hour(rest[0]) })
				if n < 0 {
					n = len(rest)
				}
				require.NoError(t, sum.Add(travelled(t, analyse(t, version, rest[:n])), handler.Origin{}))
				rest = rest[n:]
			}
			var out bytes.Buffer
			require.NoError(t, rssac002.Write(&out, sum.Snapshot(), rssac002.Config{Service: "test"}))
			docs := documents(t, &out)
			for metric, doc := range docs {
				require.Equal(t, []any{"rssac002v5", "test", "2026-01-01T00:00:00Z"}, []any{doc["version"], doc["service"], doc["start-period"]})
				for _, key := range []string{"version", "service", "start-period", "metric"} {
					delete(doc, key)
				}
				require.NotEmpty(t, doc, metric)
			}
			volume := docs["traffic-volume"]
			require.Len(t, volume, 8)
			for name, n := range volume {
				require.EqualValues(t, want.volume[name], n, name)
			}
			sizes := docs["traffic-sizes"]
			require.Equal(t, []any{map[string]any{}, map[string]any{}}, []any{sizes["tcp-request-sizes"], sizes["tcp-response-sizes"]})
			for name, bins := range want.sizes {
				require.Equal(t, fmt.Sprint(bins), fmt.Sprint(sizes[name]), name)
			}
			require.Equal(t, fmt.Sprint(want.codes), fmt.Sprint(docs["rcode-volume"]))
			require.Equal(t, map[string]any{
				"num-sources-ipv4": len(want.v4), "num-sources-ipv6": len(want.v6), "num-sources-ipv6-aggregate": len(want.prefix),
			}, docs["unique-sources"])
		})
	}
}

func analyse(t *testing.T, version string, frames []capture.Frame) *handler.Snapshot {
	return analyseWith(t, version, handler.Settings{Name: "dns", Periods: 1}, frames)
}

func analyseWith(t *testing.T, version string, settings handler.Settings, frames []capture.Frame) *handler.Snapshot {
	var h handler.Handler
	h, err := dns.New(dns.Config{Settings: settings})
	if version == "2.0" {
		h, err = dns.NewTransactions(dns.Config{Settings: settings})
	}
	require.NoError(t, err)
	snap, err := handlertest.Analyse(t, h, capture.NewMemory(frames)).Bucket(0)
	require.NoError(t, err)
	return snap
}

// travelled returns s after it was bytes.
func travelled(t *testing.T, s *handler.Snapshot) *handler.Snapshot {
	data, err := s.AppendBinary(nil, handler.Origin{Agent: "host1"}, handler.DefaultEntries)
	require.NoError(t, err)
	out, err := handler.ReadSnapshot(data)
	require.NoError(t, err)
	return out
}

// TestPublished compares the keys and their order with the files that b.root-servers.net published
// for 2024-06-01 as rssac002v5. Its own keys of DNS over TLS begin with "b-", and are not of
// RSSAC002.
func TestPublished(t *testing.T) {
	const published = `---
version: rssac002v5
service: b.root-servers.net
start-period: 2024-06-01T00:00:00Z
metric: traffic-volume
dns-udp-queries-received-ipv4: 6232483410
dns-udp-queries-received-ipv6: 1491877279
dns-tcp-queries-received-ipv4: 102349069
dns-tcp-queries-received-ipv6: 29040102
dns-udp-responses-sent-ipv4: 6134625028
dns-udp-responses-sent-ipv6: 1481981475
dns-tcp-responses-sent-ipv4: 96974432
dns-tcp-responses-sent-ipv6: 28506501
---
version: rssac002v5
service: b.root-servers.net
start-period: 2024-06-01T00:00:00Z
metric: traffic-sizes
udp-request-sizes:
  288-: 149326
udp-response-sizes:
  4096-: 1
tcp-request-sizes:
  288-: 2479
tcp-response-sizes:
  4096-: 2634
---
version: rssac002v5
service: b.root-servers.net
start-period: 2024-06-01T00:00:00Z
metric: rcode-volume
0: 4201423919
---
version: rssac002v5
service: b.root-servers.net
start-period: 2024-06-01T00:00:00Z
metric: unique-sources
num-sources-ipv4: 7612603
num-sources-ipv6: 1469414
num-sources-ipv6-aggregate: 448626
`
	const client, server, syn, ack = "198.51.100.1:5000", "192.0.2.1:53", 2, 16
	query := packettest.Query(1, "example.com", 1)
	q, r := append(query, make([]byte, 300)...), packettest.Reply(query, 0, 300)
	frames := []capture.Frame{
		packettest.UDP(0, client, server, q), packettest.UDP(0, server, client, r),
		packettest.TCP(0, client, server, syn, 0, 0, nil), packettest.TCP(0, server, client, syn|ack, 0, 1, nil),
		packettest.TCP(0, client, server, ack, 1, 1, packettest.Stream(q)), packettest.TCP(0, server, client, ack, 1, 1, packettest.Stream(r)),
	}
	var out bytes.Buffer
	cfg := rssac002.Config{Service: "b.root-servers.net", Start: time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)}
	require.NoError(t, rssac002.Write(&out, analyse(t, "1.0", frames), cfg))
	keys := regexp.MustCompile(`(?m): [0-9]+$`)
	require.Equal(t, keys.ReplaceAllString(published, ""), keys.ReplaceAllString(out.String(), ""))
}

// documents reads YAML documents by metric. Keys are texts.
func documents(t *testing.T, r io.Reader) map[string]map[string]any {
	out := map[string]map[string]any{}
	for d := yaml.NewDecoder(r); ; {
		var node yaml.Node
		if err := d.Decode(&node); err != nil {
			require.ErrorIs(t, err, io.EOF)
			return out
		}
		doc := map[string]any{}
		for i := 0; i < len(node.Content[0].Content); i += 2 {
			var value any
			require.NoError(t, node.Content[0].Content[i+1].Decode(&value))
			if node.Content[0].Content[i+1].Tag == "!!timestamp" {
				value = node.Content[0].Content[i+1].Value
			}
			doc[node.Content[0].Content[i].Value] = value
		}
		metric, ok := doc["metric"].(string)
		require.True(t, ok)
		out[metric] = doc
	}
}

func TestWriteErrors(t *testing.T) {
	frames, _ := generate()
	snap := analyse(t, "1.0", frames[:10])
	require.ErrorIs(t, rssac002.Write(io.Discard, snap, rssac002.Config{}), rssac002.ErrNoService)
	require.ErrorIs(t, rssac002.Write(io.Discard, snap, rssac002.Config{Service: "a", Handler: "other"}), rssac002.ErrNoTraffic)
	require.ErrorIs(t, rssac002.Write(io.Discard, analyse(t, "1.0", nil), rssac002.Config{Service: "a"}), rssac002.ErrNoTraffic)
	h, err := dns.New(dns.Config{Settings: handler.Settings{PktvisorGroups: true}})
	require.NoError(t, err)
	snap, err = handlertest.Analyse(t, h, capture.NewMemory(frames[:10])).Bucket(0)
	require.NoError(t, err)
	require.ErrorIs(t, rssac002.Write(io.Discard, snap, rssac002.Config{Service: "a"}), rssac002.ErrNoTraffic)
}

// TestSeveralSources has a server with two interfaces, each a tap of one policy: their traffic is
// added up, and a client of both counts once. A second handler of a tap does not count it again.
func TestSeveralSources(t *testing.T) {
	frames, want := generate()
	for _, version := range []string{"1.0", "2.0"} {
		taps := map[string][]capture.Frame{}
		for i, f := range frames { // a query and its reply may have different interfaces
			tap := fmt.Sprint("eth", i/3%2)
			taps[tap] = append(taps[tap], f)
		}
		day := new(handler.Snapshot)
		for _, tap := range []string{"eth0", "eth1"} {
			m := analyse(t, version, taps[tap]).Modules[0]
			m.Name, m.Tap = "p-"+tap+"-dns", tap
			again := m
			again.Name = "p-" + tap + "-filtered"
			day.Modules = append(day.Modules, m, again)
		}
		for _, s := range []*handler.Snapshot{day, travelled(t, day)} {
			var out bytes.Buffer
			require.NoError(t, rssac002.Write(&out, s, rssac002.Config{Service: "test"}))
			docs := documents(t, &out)
			for name, n := range want.volume {
				require.EqualValues(t, n, docs["traffic-volume"][name], name)
			}
			require.Equal(t, len(want.v4), docs["unique-sources"]["num-sources-ipv4"])
			require.Equal(t, len(want.prefix), docs["unique-sources"]["num-sources-ipv6-aggregate"])
		}
	}
}

// TestSampled: a sample of the messages has fewer sources than all of them.
func TestSampled(t *testing.T) {
	frames, _ := generate()
	for _, version := range []string{"1.0", "2.0"} {
		for _, rate := range []int{1, 10, 90} {
			snap := analyseWith(t, version, handler.Settings{Name: "dns", Periods: 1, DeepSample: rate}, frames)
			require.ErrorIs(t, rssac002.Write(io.Discard, snap, rssac002.Config{Service: "a"}), rssac002.ErrSampled)
		}
	}
}

// A capture of a query and its reply, as the measurements of its day.
func Example() {
	query := packettest.Query(1, "example.com", 1)
	frames := []capture.Frame{
		packettest.UDP(0, "198.51.100.1:5000", "192.0.2.1:53", query),
		packettest.UDP(0, "192.0.2.1:53", "198.51.100.1:5000", packettest.Reply(query, 3, 0)),
	}
	h, _ := dns.New(dns.Config{Settings: handler.Settings{Periods: 1}})
	p, _ := handler.NewPipeline(handler.Config{Sources: []capture.Source{capture.NewMemory(frames)}, Handlers: []handler.Handler{h}})
	_ = p.Run(context.Background())
	snap, _ := p.Bucket(0)
	_ = rssac002.Write(os.Stdout, snap, rssac002.Config{Service: "example"})
	// Output:
	// ---
	// version: rssac002v5
	// service: example
	// start-period: 2026-01-01T00:00:00Z
	// metric: traffic-volume
	// dns-udp-queries-received-ipv4: 1
	// dns-udp-queries-received-ipv6: 0
	// dns-tcp-queries-received-ipv4: 0
	// dns-tcp-queries-received-ipv6: 0
	// dns-udp-responses-sent-ipv4: 1
	// dns-udp-responses-sent-ipv6: 0
	// dns-tcp-responses-sent-ipv4: 0
	// dns-tcp-responses-sent-ipv6: 0
	// ---
	// version: rssac002v5
	// service: example
	// start-period: 2026-01-01T00:00:00Z
	// metric: traffic-sizes
	// udp-request-sizes:
	//   16-31: 1
	// udp-response-sizes:
	//   16-31: 1
	// tcp-request-sizes: {}
	// tcp-response-sizes: {}
	// ---
	// version: rssac002v5
	// service: example
	// start-period: 2026-01-01T00:00:00Z
	// metric: rcode-volume
	// 3: 1
	// ---
	// version: rssac002v5
	// service: example
	// start-period: 2026-01-01T00:00:00Z
	// metric: unique-sources
	// num-sources-ipv4: 1
	// num-sources-ipv6: 0
	// num-sources-ipv6-aggregate: 0
}

package trafficgen_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/internal/trafficgen"
)

func seeded(cfg trafficgen.Config, seed uint64) trafficgen.Config {
	cfg.Seed = seed
	return cfg
}

// Every frame decodes, every checksum is right, and the truth equals a recount.
func TestTruth(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out large amounts of traffic")
	}
	both := trafficgen.VariedDNS(20_000)
	both.Flood = trafficgen.Flood{NXDomain: 30, RandomLabel: 30, Victim: "Bank..Example.", Labels: 2000}
	for _, tt := range []struct {
		name string
		cfg  trafficgen.Config
	}{
		{"varied", trafficgen.VariedDNS(40_000)},
		{"mixed", trafficgen.Mixed(60_000)},
		{"mixed, other seed", seeded(trafficgen.Mixed(30_000), 99)},
		{"floods", both},
		{"random labels", trafficgen.RandomLabelAttack(5_000, 90)},
		{"all fragments", trafficgen.Config{Packets: 5_000, Mix: trafficgen.Mix{Fragmented: 1, VLAN: 50}}},
		{"all DNS over TCP", trafficgen.Config{Packets: 20_000, Seed: 3, Mix: trafficgen.Mix{DNSTCP: 1}}},
		{"few names, slow", trafficgen.Config{Packets: 3_000, Names: 3, Clients: 1, PPS: 1}},
		{"one frame", trafficgen.VariedDNS(1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			frames, truth := trafficgen.Frames(tt.cfg)
			require.Len(t, frames, tt.cfg.Packets)
			r := newRecount(t)
			for i := range frames {
				require.EqualValues(t, len(frames[i].Data), frames[i].WireLen)
				require.LessOrEqual(t, len(frames[i].Data), trafficgen.MaxFrame)
				r.frame(&frames[i])
			}
			r.compare(truth)
			if tt.cfg.Mix.DNSTCP > 0 && truth.DNSTCP > 1000 {
				for _, n := range []int{r.repeated, r.early, r.several, r.split} {
					require.Greater(t, n, 5)
				}
			}
		})
	}
}

func (r *recount) compare(truth trafficgen.Truth) {
	t := r.t
	names, clients := map[string]trafficgen.Count{}, map[netip.Addr]trafficgen.Count{}
	for name, c := range truth.Names() {
		names[name] = c
	}
	for a, c := range truth.Clients() {
		clients[a] = c
	}
	require.Equal(t, r.names, names)
	require.Equal(t, r.clients, clients)
	r.got.DistinctQNames, r.got.DistinctClients = uint64(len(r.names)), uint64(len(r.clients))
	r.got.FloodNX, r.got.FloodVictim = truth.FloodNX, truth.FloodVictim
	require.Equal(t, r.got, truth.Bare())
	require.Equal(t, truth.DNSResponses, truth.Matched)
}

// The bytes are the same on every platform and with every version of Go. If this fails only on one,
// the generator is wrong; if it fails on all, the traffic was changed.
func TestSameBytes(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out large amounts of traffic")
	}
	flood := trafficgen.NXDomainFlood(5_000, 50)
	flood.Flood.RandomLabel = 30
	for _, tt := range []struct {
		name, sum string
		cfg       trafficgen.Config
	}{
		{"varied", "f9c9c9f2f020b849", trafficgen.VariedDNS(20_000)},
		{"mixed", "ff2ece735b61800d", trafficgen.Mixed(20_000)},
		{"other seed", "c3846b181e63107d", seeded(trafficgen.Mixed(20_000), 7)},
		{"floods", "66ca4d03307783ce", flood},
	} {
		t.Run(tt.name, func(t *testing.T) {
			frames, _ := trafficgen.Frames(tt.cfg)
			h := sha256.New()
			for _, f := range frames {
				_ = binary.Write(h, binary.BigEndian, f.TimeNS)
				h.Write(f.Data)
			}
			require.Equal(t, tt.sum, hex.EncodeToString(h.Sum(nil)[:8]))
		})
	}
}

func TestShares(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out long streams of traffic")
	}
	t.Run("outcomes", func(t *testing.T) {
		_, truth := trafficgen.Frames(trafficgen.VariedDNS(200_000))
		of := func(n uint64) float64 { return float64(n) / float64(truth.DNSResponses) }
		require.InDelta(t, 0.70, of(truth.RCodes[0]-truth.NoData), 0.03)
		require.InDelta(t, 0.10, of(truth.NoData), 0.03)
		require.InDelta(t, 0.14, of(truth.RCodes[3]), 0.03)
		require.InDelta(t, 0.04, of(truth.RCodes[2]), 0.01)
		require.InDelta(t, 0.02, of(truth.RCodes[5]), 0.01)
		require.InDelta(t, 0.20, float64(truth.IPv6)/float64(truth.Packets), 0.05)
		require.InDelta(t, 0.98, float64(truth.Matched)/float64(truth.DNSQueries), 0.01)
		require.InDelta(t, 4, float64(truth.LastNS-truth.FirstNS)/1e9, 0.4, "200,000 frames at 50,000 per second")
	})
	t.Run("mix", func(t *testing.T) {
		_, truth := trafficgen.Frames(trafficgen.Mixed(400_000))
		of := func(n uint64) float64 { return 100 * float64(n) / float64(truth.Packets) }
		require.InDelta(t, 45, of(truth.TCP), 3, "other TCP and DNS over it")
		require.InDelta(t, 49, of(truth.UDP), 3)
		require.InDelta(t, 4, of(truth.ICMP+truth.ICMPv6), 0.5)
		require.InDelta(t, 2, of(truth.ARP), 0.3)
		require.InDelta(t, 15, of(truth.VLAN), 2)
		require.InDelta(t, 8, float64(truth.LastNS-truth.FirstNS)/1e9, 0.8)
	})
	t.Run("flood", func(t *testing.T) {
		_, truth := trafficgen.Frames(trafficgen.NXDomainFlood(100_000, 80))
		require.InDelta(t, 0.8, float64(truth.FloodNX)/float64(truth.DNSQueries), 0.02)
		require.Greater(t, truth.DistinctQNames, truth.FloodNX)
		_, truth = trafficgen.Frames(trafficgen.RandomLabelAttack(100_000, 50))
		require.InDelta(t, 0.5, float64(truth.FloodVictim)/float64(truth.DNSQueries), 0.02)
		require.Less(t, truth.Matched, truth.DNSQueries*9/10)
	})
}

func TestConfig(t *testing.T) {
	zero, _ := trafficgen.Frames(trafficgen.Config{})
	mixed, _ := trafficgen.Frames(trafficgen.Mixed(trafficgen.DefaultPackets))
	require.Equal(t, mixed, zero)

	endless, _ := trafficgen.Frames(trafficgen.Config{Packets: -1})
	require.Empty(t, endless)
	_, err := trafficgen.WritePcap(io.Discard, trafficgen.Config{Packets: -1})
	require.Error(t, err)

	start := time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC)
	odd, _ := trafficgen.Frames(trafficgen.Config{Packets: 100, Start: start, PPS: -3, Names: -1, Clients: 2,
		Mix: trafficgen.Mix{DNS: -5, ARP: 3, VLAN: 900}, Flood: trafficgen.Flood{NXDomain: 500, RandomLabel: 70, Victim: ".."}})
	require.Len(t, odd, 100)
	require.Equal(t, start.UnixNano(), odd[0].TimeNS)
}

func TestNextBuffer(t *testing.T) {
	g := trafficgen.New(trafficgen.Mixed(1000))
	want, _ := trafficgen.Frames(trafficgen.Mixed(1000))
	small := make([]byte, 3, 10)
	for i := range want {
		dst := small
		if i%2 == 0 {
			dst = nil
		}
		frame, ts, ok := g.Next(dst)
		require.True(t, ok)
		require.Equal(t, want[i].Data, frame)
		require.Equal(t, want[i].TimeNS, ts)
	}
	_, _, ok := g.Next(small)
	require.False(t, ok)
}

func TestSource(t *testing.T) {
	cfg := trafficgen.Mixed(2*capture.BatchSize + 7)
	want, truth := trafficgen.Frames(cfg)
	s := trafficgen.NewSource(cfg)
	for range 2 {
		var b capture.Batch
		var got []capture.Frame
		for {
			err := s.ReadBatch(&b)
			if err != nil {
				require.ErrorIs(t, err, io.EOF)
				require.Empty(t, b.Frames)
				break
			}
			for _, f := range b.Frames {
				f.Data = bytes.Clone(f.Data)
				got = append(got, f)
			}
		}
		require.Equal(t, want, got)
		counted := s.Truth()
		require.Equal(t, truth.Bare(), counted.Bare())
		require.NoError(t, s.Close())
		require.ErrorIs(t, s.ReadBatch(&b), capture.ErrClosed)
		s.Rewind()
	}
}

func TestWritePcap(t *testing.T) {
	var file bytes.Buffer
	cfg := trafficgen.Mixed(3000)
	truth, err := trafficgen.WritePcap(&file, cfg)
	require.NoError(t, err)
	want, _ := trafficgen.Frames(cfg)
	r, err := pcapgo.NewReader(&file)
	require.NoError(t, err)
	require.Equal(t, layers.LinkTypeEthernet, r.LinkType())
	for _, f := range want {
		data, ci, err := r.ReadPacketData()
		require.NoError(t, err)
		require.Equal(t, f.Data, data)
		require.Equal(t, f.TimeNS, ci.Timestamp.UnixNano())
		require.Equal(t, len(data), ci.Length)
	}
	_, _, err = r.ReadPacketData()
	require.ErrorIs(t, err, io.EOF)
	require.EqualValues(t, len(want), truth.Packets)
}

// full accepts n bytes.
type full struct{ n int }

var errFull = errors.New("disk full")

func (f *full) Write(b []byte) (int, error) {
	if f.n -= len(b); f.n < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestWritePcapErrors(t *testing.T) {
	for _, n := range []int{0, 1 << 19} {
		_, err := trafficgen.WritePcap(&full{n: n}, trafficgen.VariedDNS(10_000))
		require.ErrorIs(t, err, errFull)
	}
}

func TestNextAllocs(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out large amounts of traffic")
	}
	for _, cfg := range []trafficgen.Config{trafficgen.VariedDNS(-1), trafficgen.Mixed(-1)} {
		g := trafficgen.New(cfg)
		buf := make([]byte, trafficgen.MaxFrame)
		next := func() {
			for range 1000 {
				g.Next(buf)
			}
		}
		for range 1000 {
			next()
		}
		require.Less(t, testing.AllocsPerRun(100, next), 5.0, "of 1000 frames")
	}
}

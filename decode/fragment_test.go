package decode_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/decode"
)

const moreFragments = 0x2000

// feed decodes packets of raw IP and returns the datagrams that they complete.
func feed(t *testing.T, dec *decode.Decoder, packets ...[]byte) (whole []string) {
	for _, b := range packets {
		p := decode.Packet{Frame: b, WireLen: uint32(len(b)), Link: decode.LinkRaw}
		require.NoError(t, dec.Decode(&p))
		if p.Inner != nil {
			require.True(t, p.Layers.Has(decode.LayerFragment))
			require.Equal(t, uint16(53), p.Inner.Dst.Port())
			require.Equal(t, p.Src.Addr(), p.Inner.Src.Addr())
			whole = append(whole, string(p.Inner.Payload))
		}
	}
	return whole
}

// fragments returns a datagram in pieces of size bytes.
func fragments(v6 bool, datagram []byte, size int) (out [][]byte) {
	for at := 0; at < len(datagram); at += size {
		end := min(at+size, len(datagram))
		more := end < len(datagram)
		if v6 {
			out = append(out, ip6frag(17, at, more, datagram[at:end]))
			continue
		}
		flags := uint16(at / 8)
		if more {
			flags |= moreFragments
		}
		out = append(out, ip4frag(17, 7, flags, datagram[at:end]))
	}
	return out
}

func TestFragmentsInAnyOrder(t *testing.T) {
	text := string(make([]byte, 100)) + "the end"
	rnd := rand.New(rand.NewPCG(1, 1))
	for _, v6 := range []bool{false, true} {
		for range 50 {
			parts := fragments(v6, udp(53, text), 16)
			rnd.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
			parts = append(parts[:3:3], parts[2:]...) // one piece arrives twice
			dec := decode.NewDecoder(decode.Config{})
			require.Equal(t, []string{text}, feed(t, dec, parts...))
			require.Equal(t, uint64(1), dec.Stats().Reassembled)
			require.Equal(t, uint64(len(parts)), dec.Stats().Fragments)
		}
	}
}

func TestFirstFragmentHasPorts(t *testing.T) {
	parts := fragments(false, udp(53, "0123456789abcdef"), 16)
	p, err := decoded(decode.LinkRaw, parts[0])
	require.NoError(t, err)
	require.Equal(t, decode.LayerIPv4|decode.LayerFragment|decode.LayerUDP, p.Layers)
	require.Equal(t, uint16(53), p.Dst.Port())
	require.Equal(t, "01234567", string(p.Payload))
	p, err = decoded(decode.LinkRaw, parts[1])
	require.NoError(t, err)
	require.Equal(t, decode.LayerIPv4|decode.LayerFragment, p.Layers)
	require.Empty(t, p.Payload)
}

// TestOverlap feeds fragments that disagree. IPv4 keeps the first copy; IPv6 drops the datagram
// (RFC 5722).
func TestOverlap(t *testing.T) {
	d := udp(53, "AAAAAAAAbbbbbbbbCCCCCCCC")
	liar := []byte("xxxxxxxxxxxxxxxx")
	v4 := [][]byte{ip4frag(17, 7, moreFragments, d[:16]), ip4frag(17, 7, moreFragments|1, liar), ip4frag(17, 7, 3, d[24:])}
	require.Equal(t, []string{"AAAAAAAAxxxxxxxxCCCCCCCC"}, feed(t, decode.NewDecoder(decode.Config{}), v4...))
	v6 := [][]byte{ip6frag(17, 0, true, d[:16]), ip6frag(17, 8, true, liar), ip6frag(17, 24, false, d[24:])}
	dec := decode.NewDecoder(decode.Config{})
	require.Empty(t, feed(t, dec, v6...))
	require.Equal(t, uint64(1), dec.Stats().Evicted)
}

func TestFragmentsApart(t *testing.T) {
	d := udp(53, "0123456789abcdef")
	other := ip4frag(17, 8, 1, d[8:])
	require.Empty(t, feed(t, decode.NewDecoder(decode.Config{}), ip4frag(17, 7, moreFragments, d[:8]), other), "another identifier")
	reverse := set(ip4frag(17, 7, 1, d[8:]), 12, 198, 51, 100, 2, 192, 0, 2, 1)
	require.Empty(t, feed(t, decode.NewDecoder(decode.Config{}), ip4frag(17, 7, moreFragments, d[:8]), reverse), "the other direction")
}

func TestImpossibleFragments(t *testing.T) {
	d := udp(53, "0123456789abcdef")
	for name, packets := range map[string][][]byte{
		"not a multiple of eight": {ip4frag(17, 7, moreFragments, d[:15]), ip4frag(17, 7, 2, d[16:])},
		"beyond 65535":            {ip4frag(17, 7, moreFragments, d[:16]), ip4frag(17, 7, 0x1FFF, d[:16])},
		"two ends":                {ip4frag(17, 7, 2, d[16:]), ip4frag(17, 7, 3, d[16:]), ip4frag(17, 7, moreFragments, d[:16])},
		"behind the end":          {ip4frag(17, 7, 1, d[:8]), ip4frag(17, 7, moreFragments|2, d[:8]), ip4frag(17, 7, moreFragments, d[:8])},
		"empty":                   {ip4frag(17, 7, moreFragments, nil)},
	} {
		require.Empty(t, feed(t, decode.NewDecoder(decode.Config{}), packets...), name)
	}
}

func TestFragmentsExpire(t *testing.T) {
	parts := fragments(false, udp(53, "0123456789abcdef"), 16)
	for _, tt := range []struct {
		after time.Duration
		whole bool
	}{{time.Minute, true}, {time.Minute + 1, false}} {
		dec := decode.NewDecoder(decode.Config{})
		p := decode.Packet{Frame: parts[0], Link: decode.LinkRaw}
		require.NoError(t, dec.Decode(&p))
		q := decode.Packet{Frame: parts[1], Link: decode.LinkRaw, TimeNS: int64(tt.after)}
		require.NoError(t, dec.Decode(&q))
		require.Equal(t, tt.whole, q.Inner != nil, "after %v", tt.after)
		require.Equal(t, !tt.whole, dec.Stats().Expired == 1)
	}
}

// TestFragmentsBounded feeds datagrams that are never completed: the oldest are evicted.
func TestFragmentsBounded(t *testing.T) {
	d := udp(53, string(make([]byte, 1000)))
	begin := func(id int) []byte { return ip4frag(17, uint16(id), moreFragments, d[:1000]) }
	end := func(id int) []byte { return ip4frag(17, uint16(id), 125, d[1000:]) }

	dec := decode.NewDecoder(decode.Config{MaxDatagrams: 10})
	for id := range 15 {
		feed(t, dec, begin(id))
	}
	require.Equal(t, uint64(5), dec.Stats().Evicted)
	require.Empty(t, feed(t, dec, end(4)))
	require.Len(t, feed(t, dec, end(14)), 1)

	dec = decode.NewDecoder(decode.Config{MaxFragBytes: 10_000})
	for id := range 15 {
		feed(t, dec, begin(id))
	}
	require.GreaterOrEqual(t, dec.Stats().Evicted, uint64(5))
	require.LessOrEqual(t, dec.Stats().Evicted, uint64(8), "what a datagram costs besides its bytes is small")
	require.Len(t, feed(t, dec, end(14)), 1)
}

// TestFragmentsOfFarOffsets feeds fragments of 8 bytes that claim to be at the end of the largest
// datagram. Each costs only its bytes, so that 1000 of them do not evict a reply of two fragments.
// With buffers up to the offset, 64 of them did.
func TestFragmentsOfFarOffsets(t *testing.T) {
	d := udp(53, string(make([]byte, 2000)))
	dec := decode.NewDecoder(decode.Config{})
	feed(t, dec, ip4frag(17, 0, moreFragments, d[:1000]))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for id := range 1000 {
		feed(t, dec, ip4frag(17, uint16(id+1), moreFragments|8000, d[:8]))
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(2<<20))
	require.Len(t, feed(t, dec, ip4frag(17, 0, 125, d[1000:])), 1)
	require.Zero(t, dec.Stats().Evicted)
}

// TestFragmentsAreEvictedByUse evicts the datagram whose last fragment came longest ago, also when
// the memory of completed ones is reused.
func TestFragmentsAreEvictedByUse(t *testing.T) {
	d := udp(53, string(make([]byte, 16)))
	first := func(id uint16) []byte { return ip4frag(17, id, moreFragments, d[:8]) }
	second := func(id uint16) []byte { return ip4frag(17, id, moreFragments|1, d[8:16]) }
	last := func(id uint16) []byte { return ip4frag(17, id, 2, d[16:]) }
	dec := decode.NewDecoder(decode.Config{MaxDatagrams: 3})
	feed(t, dec, first(1), first(2), second(1))
	require.Len(t, feed(t, dec, last(1)), 1)
	dec.Reset()
	feed(t, dec, first(3), first(4), second(2), first(5)) // 3 is evicted: 2 was used after it
	require.Len(t, feed(t, dec, last(2)), 1)
	feed(t, dec, second(4), second(5))
	require.Len(t, feed(t, dec, last(4), last(5)), 2)
	require.Empty(t, feed(t, dec, second(3), last(3)))
}

// TestFragmentsInManyPieces drops a datagram that lacks every second piece: its list is bounded.
func TestFragmentsInManyPieces(t *testing.T) {
	dec := decode.NewDecoder(decode.Config{})
	for i := range uint16(1000) {
		feed(t, dec, ip4frag(17, 7, moreFragments|2*i, make([]byte, 8)))
	}
	require.GreaterOrEqual(t, dec.Stats().Evicted, uint64(10))

	dec = decode.NewDecoder(decode.Config{})
	text := string(make([]byte, 10_000))
	require.Equal(t, []string{text}, feed(t, dec, fragments(false, udp(53, text), 8)...), "in order, all are taken")
}

// TestReset lends the bytes of datagrams until Reset, and then reuses them.
func TestReset(t *testing.T) {
	dec := decode.NewDecoder(decode.Config{})
	packets := make([]decode.Packet, 40)
	for round := range 3 {
		dec.Reset()
		for i := 0; i < len(packets); i += 2 {
			parts := fragments(false, udp(53, fmt.Sprintf("round %d, datagram %d", round, i)), 16)
			for j, b := range [][]byte{parts[0], parts[1]} {
				packets[i+j] = decode.Packet{Frame: b, Link: decode.LinkRaw}
				require.NoError(t, dec.Decode(&packets[i+j]))
			}
			for _, b := range parts[2:] {
				packets[i+1] = decode.Packet{Frame: b, Link: decode.LinkRaw}
				require.NoError(t, dec.Decode(&packets[i+1]))
			}
		}
		for i := 1; i < len(packets); i += 2 {
			require.Equal(t, fmt.Sprintf("round %d, datagram %d", round, i-1), string(packets[i].Inner.Payload))
		}
	}
}

// BenchmarkFragments decodes what attackers send. Fragments of new datagrams claim to be at the end
// of the largest one, and the pieces of one datagram arrive in an order that leaves gaps.
func BenchmarkFragments(b *testing.B) {
	tiny := make([]byte, 8)
	for _, bb := range []struct {
		name   string
		packet func(i int) []byte
	}{
		{"far", func(i int) []byte {
			return set(ip4frag(17, uint16(i), moreFragments|8000, tiny), 12, byte(i>>24), byte(i>>16), byte(i>>8), byte(i))
		}},
		{"gaps", func(i int) []byte { return ip4frag(17, 7, moreFragments|uint16(2*i)%8000, tiny) }},
	} {
		b.Run(bb.name, func(b *testing.B) {
			var packets []decode.Packet
			for i := range 1 << 14 {
				f := bb.packet(i)
				packets = append(packets, decode.Packet{Frame: f, WireLen: uint32(len(f)), Link: decode.LinkRaw})
			}
			dec := decode.NewDecoder(decode.Config{})
			b.ReportAllocs()
			for b.Loop() {
				for i := range packets {
					if i%256 == 0 {
						dec.Reset()
					}
					_ = dec.Decode(&packets[i])
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(packets)), "ns/pkt")
		})
	}
}

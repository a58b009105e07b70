package hash64_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/sketch"
	"visor/sketch/hash64"
)

// TestFixed pins the functions: sketches of other hosts merge correctly only while these do not
// change.
func TestFixed(t *testing.T) {
	h := hash64.Fixed()
	got := []string{h.ID().String()}
	for _, n := range []int{0, 1, 3, 4, 7, 8, 15, 16, 17, 32, 33, 64, 65, 512, 513, 5000} {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(i * 7)
		}
		got = append(got, fmt.Sprintf("%016x", h.Sum(b)))
	}
	got = append(got, fmt.Sprintf("%016x", h.Uint64(1)), fmt.Sprintf("%016x", h.Pair(1, 2)), fmt.Sprintf("%016x", h.IPv6([16]byte{15: 1})))
	require.Equal(t, fixed, got)
	require.Equal(t, h.Uint64(0xC0000201), h.IPv4([4]byte{192, 0, 2, 1}))
	require.Equal(t, h.IPv4([4]byte{192, 0, 2, 1}), h.Addr(netip.MustParseAddr("192.0.2.1")))
	require.Equal(t, h.IPv6([16]byte{15: 1}), h.Addr(netip.MustParseAddr("::1%lo")))
	require.Len(t, hash64.FixedKey, 16)
}

// TestLengths: every byte of an input of any length affects the hash, and so does the length.
func TestLengths(t *testing.T) {
	h := hash64.Random()
	type key struct{ n, one int } // n bytes; the one at index one is 1, unless it is negative
	seen := make(map[uint64]key)
	for n := range 700 {
		b := make([]byte, n)
		seen[h.Sum(b)] = key{n, -1}
		for i := range b {
			b[i] = 1
			sum := h.Sum(b)
			if other, ok := seen[sum]; ok {
				t.Fatal(key{n, i}, other)
			}
			seen[sum] = key{n, i}
			b[i] = 0
		}
	}
	require.Len(t, seen, 700+700*699/2)
	require.NotEqual(t, h.Pair(0, 1), h.IPv6([16]byte{15: 1}), "a pair is not an address")
}

// TestKeys: hashes under one key reveal nothing about hashes under another.
func TestKeys(t *testing.T) {
	a, b := hash64.Random(), hash64.Random()
	require.NotEqual(t, a.ID(), b.ID())
	name := []byte("www.example.com")
	for _, pair := range [][2]uint64{
		{a.Sum(name), b.Sum(name)}, {a.Uint64(1), b.Uint64(1)}, {a.Pair(1, 2), b.Pair(1, 2)}, {a.IPv6([16]byte{}), b.IPv6([16]byte{})},
		{a.Sum(name) - a.Sum(nil), b.Sum(name) - b.Sum(nil)},
	} {
		require.NotEqual(t, pair[0], pair[1])
	}
	require.Equal(t, a.Sum(name), a.Sum(name))
	require.Equal(t, hash64.New(hash64.Key{1}).Sum(name), hash64.New(hash64.Key{1}).Sum(name))
}

// TestAvalanche flips single bits of inputs: half of the hash's bits change on average.
func TestAvalanche(t *testing.T) {
	h := hash64.Fixed()
	hashes := map[string]func([16]byte) uint64{
		"Sum":  func(a [16]byte) uint64 { return h.Sum(a[:]) },
		"IPv6": h.IPv6,
		"IPv4": func(a [16]byte) uint64 { return h.IPv4([4]byte(a[:4])) },
	}
	for name, hash := range hashes {
		n := 128
		if name == "IPv4" {
			n = 32
		}
		changed, count := 0, 0
		rnd := rand.New(rand.NewPCG(1, 2))
		for range 50 {
			var key [16]byte
			binary.LittleEndian.PutUint64(key[:], rnd.Uint64())
			for bit := range n {
				before := hash(key)
				key[bit/8] ^= 1 << (bit % 8)
				changed += bits.OnesCount64(before ^ hash(key))
				count++
			}
		}
		require.InDelta(t, 32, float64(changed)/float64(count), 1, name)
	}
}

// TestCardinality: consecutive keys, like the addresses of a network, are estimated as well as
// random ones. The error is the sketch's under each of many keys.
func TestCardinality(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out long streams of keys")
	}
	for name, hash := range map[string]func(h *hash64.Hasher, i uint64) uint64{
		"in a row":       func(h *hash64.Hasher, i uint64) uint64 { return h.Uint64(i) },
		"every 65,536th": func(h *hash64.Hasher, i uint64) uint64 { return h.Uint64(i << 16) },
		"pairs":          func(h *hash64.Hasher, i uint64) uint64 { return h.Pair(i>>8, i&255) },
		"names": func(h *hash64.Hasher, i uint64) uint64 {
			b := []byte("00000000.example.com")
			binary.LittleEndian.PutUint64(b, i+0x3030303030303030)
			return h.Sum(b)
		},
	} {
		const n, keys = 100_000, 30
		squares := 0.0
		for range keys {
			var c sketch.Cardinality
			h := hash64.Random()
			for i := range uint64(n) {
				c.Add(hash(h, i))
			}
			off := float64(c.Estimate())/n - 1
			squares += off * off
		}
		require.Less(t, math.Sqrt(squares/keys), 0.0081*1.6, name)
		t.Logf("%s: %.2f %%", name, 100*math.Sqrt(squares/keys))
	}
}

func BenchmarkSum(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 2))
	names := make([][]byte, 4096)
	for i := range names {
		names[i] = make([]byte, 8+rnd.IntN(32))
	}
	h, i := hash64.Fixed(), 0
	for b.Loop() {
		h.Sum(names[i&4095])
		i++
	}
}

func BenchmarkUint64(b *testing.B) {
	h, i := hash64.Fixed(), uint64(0)
	for b.Loop() {
		i++
		h.Uint64(i)
	}
}

// fixed holds the values that TestFixed pins.
var fixed = []string{
	"a4e2ff7fc6fbb0b2", "68a8dad73ca7e26c", "32df3f031736ae06", "6fef8a88be70e771", "bdd32ae47c70896c", "061b91f2ea99a046", "c4198b037f6898e3",
	"5979ad4300fab2fb", "c5dde2ebfdc70a9a", "607cc0531a47826d", "5116a3589f100e4a", "db6269e317da75ac", "c57c1d81a8c84347", "c3fa0a3f2d84ebf3",
	"5e65b5a11ffd7e9f", "6e2606bd72259186", "23433a393158f8c1", "5b7ce87270797fc7", "8300873166ce5fbd", "5facad5fcf8021e6",
}

// Slots of addresses in a row, of networks in a row, and of both in their highest bits are spread:
// none has more than eight times its share. They depend on the key alone.
func TestSlot(t *testing.T) {
	const slotBits, n = 11, 1 << 16
	for name, address := range map[string]func(i uint64) (x, y uint64){
		"IPv4":          func(i uint64) (uint64, uint64) { return 0, 0xFFFF<<32 | 10<<24 | i },
		"IPv4 networks": func(i uint64) (uint64, uint64) { return 0, 0xFFFF<<32 | i<<16 },
		"IPv6":          func(i uint64) (uint64, uint64) { return 0x20010DB8 << 32, i },
		"IPv6 networks": func(i uint64) (uint64, uint64) { return 0x20010DB8<<32 | i, 1 },
		"highest bits":  func(i uint64) (uint64, uint64) { return i << 56, i >> 8 << 56 },
	} {
		for key := range byte(20) {
			h, same := hash64.New(hash64.Key{key}), hash64.New(hash64.Key{key})
			var load [1 << slotBits]int
			most := 0
			for i := range uint64(n) {
				x, y := address(i)
				slot := h.Slot(x, y)
				if slot != same.Slot(x, y) {
					t.Fatalf("%s, key %d: two values for %x, %x", name, key, x, y)
				}
				load[slot>>(64-slotBits)]++
				most = max(most, load[slot>>(64-slotBits)])
			}
			require.LessOrEqual(t, most, 8*n>>slotBits, "%s, key %d", name, key)
		}
	}
}

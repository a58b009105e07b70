package hash64_test

import (
	"math/bits"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/internal/hash64"
)

// TestFixed pins the functions: snapshots of other hosts are only merged rightly as long as they stay.
func TestFixed(t *testing.T) {
	// Of XXH3_64bits in xxhash 0.8.2 (xxhsum -H3).
	require.Equal(t, uint64(0x2d06800538d394c2), hash64.Sum(nil))
	require.Equal(t, uint64(0xe6c632b61e964e1f), hash64.Sum([]byte("a")))
	require.Equal(t, uint64(0x78af5f94892f3950), hash64.Sum([]byte("abc")))
	// The first outputs of splitmix64 with seeds 0 and 1 (prng.di.unimi.it/splitmix64.c).
	require.Equal(t, uint64(0xe220a8397b1dcdaf), hash64.Uint64(0))
	require.Equal(t, uint64(0x910a2dec89025cc1), hash64.Uint64(1))
	require.Equal(t, hash64.Uint64(0xC0000201), hash64.IPv4([4]byte{192, 0, 2, 1}))
}

// TestAvalanche flips single bits of keys: half of the hash's bits change on average.
func TestAvalanche(t *testing.T) {
	hashes := map[string]func([16]byte) uint64{
		"Sum":  func(a [16]byte) uint64 { return hash64.Sum(a[:]) },
		"IPv6": hash64.IPv6,
		"IPv4": func(a [16]byte) uint64 { return hash64.IPv4([4]byte(a[:4])) },
	}
	for name, hash := range hashes {
		n := 128
		if name == "IPv4" {
			n = 32
		}
		changed := 0
		for bit := range n {
			var key [16]byte
			before := hash(key)
			key[bit/8] ^= 1 << (bit % 8)
			changed += bits.OnesCount64(before ^ hash(key))
		}
		require.InDelta(t, 32, float64(changed)/float64(n), 2, name)
	}
}

func BenchmarkSum(b *testing.B) {
	name := []byte("\x03www\x07example\x03com")
	for b.Loop() {
		hash64.Sum(name)
	}
}

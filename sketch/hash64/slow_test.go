package hash64_test

import (
	"crypto/sha256"
	"encoding/binary"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/sketch/hash64"
)

// slow is the definition of the hash in integers of any size. All sums are reduced modulo 2¹²⁸ at
// the end of each step.
type slow struct {
	pads   []*big.Int // for NH, the two words of each block
	linear []*big.Int // 128 bits each: for the halves of NH's sum, for integers, and for pairs
	starts []*big.Int // for texts, integers, pairs and IPv6 addresses
}

var (
	two64  = new(big.Int).Lsh(big.NewInt(1), 64)
	two128 = new(big.Int).Lsh(big.NewInt(1), 128)
)

func number(x uint64) *big.Int { return new(big.Int).SetUint64(x) }

// littleEndian returns the number of up to 8 bytes.
func littleEndian(b []byte) *big.Int {
	n := new(big.Int)
	for i := len(b) - 1; i >= 0; i-- {
		n.Add(n.Lsh(n, 8), big.NewInt(int64(b[i])))
	}
	return n
}

// newSlow expands a key: SHA-256 of a text, the key and a counter yields blocks that are cut into
// words of 64 bits. Of two words, the first is the lower one.
func newSlow(key hash64.Key) *slow {
	var words []*big.Int
	for n := range byte(40) {
		sum := sha256.Sum256(append(append([]byte("visor hash pads"), key[:]...), n))
		for i := 0; i < len(sum); i += 8 {
			words = append(words, littleEndian(sum[i:i+8]))
		}
	}
	s := &slow{pads: words[:64]}
	for i := range 5 {
		pad := new(big.Int).Lsh(words[64+2*i+1], 64)
		s.linear = append(s.linear, pad.Add(pad, words[64+2*i]))
	}
	for i := range 4 {
		s.starts = append(s.starts, words[74+2*i])
	}
	return s
}

// nh returns the sum over pairs of words: each word plus its pad modulo 2⁶⁴, and the two
// multiplied. pairs holds, for each pair, the number of the block whose pads it uses.
func (s *slow) nh(length int, words [][2]*big.Int, blocks []int) *big.Int {
	sum := big.NewInt(int64(length))
	for i, pair := range words {
		a := new(big.Int).Add(pair[0], s.pads[2*blocks[i]])
		b := new(big.Int).Add(pair[1], s.pads[2*blocks[i]+1])
		sum.Add(sum, a.Mul(a.Mod(a, two64), b.Mod(b, two64)))
	}
	return sum.Mod(sum, two128)
}

// sum returns the hash of b.
func (s *slow) sum(b []byte) uint64 {
	var words [][2]*big.Int
	var blocks []int
	add := func(block int, first, second []byte) {
		words = append(words, [2]*big.Int{littleEndian(first), littleEndian(second)})
		blocks = append(blocks, block)
	}
	whole := func(block int, b []byte) { add(block, b[:8], b[8:16]) }
	switch n := len(b); {
	case n > 512: // SHA-256 instead
		digest := sha256.Sum256(b)
		whole(0, digest[:])
		whole(1, digest[16:])
	case n > 32: // the last 16 bytes have the last pads
		for i := 0; i < n-16; i += 16 {
			whole(i/16, b[i:])
		}
		whole(31, b[n-16:])
	case n > 16:
		whole(0, b)
		whole(1, b[n-16:])
	case n >= 8:
		add(0, b[:8], b[n-8:])
	case n >= 4:
		add(0, b[:4], b[n-4:])
	case n > 0:
		add(0, []byte{b[0], b[n/2], b[n-1]}, nil)
	}
	nh := s.nh(len(b), words, blocks)
	high, low := new(big.Int).DivMod(nh, two64, new(big.Int))
	return s.multilinear(0, []*big.Int{low, high}, 0)
}

// multilinear returns the upper half of start · 2⁶⁴ + Σ word · pad modulo 2¹²⁸, mixed.
func (s *slow) multilinear(start int, words []*big.Int, pad int) uint64 {
	sum := new(big.Int).Lsh(s.starts[start], 64)
	for i, w := range words {
		sum.Add(sum, new(big.Int).Mul(w, s.linear[pad+i]))
	}
	x := sum.Rsh(sum.Mod(sum, two128), 64).Uint64()
	x ^= x >> 32
	x = new(big.Int).Mod(new(big.Int).Mul(number(x), number(0xBF58476D1CE4E5B9)), two64).Uint64()
	return x ^ x>>29
}

func (s *slow) integer(x uint64) uint64 { return s.multilinear(1, []*big.Int{number(x)}, 2) }
func (s *slow) pair(x, y uint64) uint64 {
	return s.multilinear(2, []*big.Int{number(x), number(y)}, 3)
}
func (s *slow) ipv6(a [16]byte) uint64 {
	x, y := binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])
	return s.multilinear(3, []*big.Int{number(x), number(y)}, 3)
}

// equal compares all functions of both on bytes.
func equal(t *testing.T, fast *hash64.Hasher, s *slow, b []byte) {
	t.Helper()
	require.Equal(t, s.sum(b), fast.Sum(b), "%d bytes", len(b))
	var a [16]byte
	copy(a[:], b)
	x, y := binary.LittleEndian.Uint64(a[:8]), binary.LittleEndian.Uint64(a[8:])
	require.Equal(t, s.integer(x), fast.Uint64(x))
	require.Equal(t, s.pair(x, y), fast.Pair(x, y))
	require.Equal(t, s.ipv6(a), fast.IPv6(a))
	require.Equal(t, s.integer(uint64(binary.BigEndian.Uint32(a[:4]))), fast.IPv4([4]byte(a[:4])))
}

// TestDefinition: the hash equals its definition for inputs of all lengths, under random keys.
// Zeros and ones are among the inputs: they cause the fewest and the most carries.
func TestDefinition(t *testing.T) {
	rnd := rand.New(rand.NewPCG(rand.Uint64(), 1))
	keys := []hash64.Key{hash64.Key([]byte(hash64.FixedKey)), hash64.Key(random(rnd, 16)), {}, hash64.Key(random(rnd, 16))}
	if testing.Short() {
		keys = keys[:2]
	}
	for _, key := range keys {
		fast, s := hash64.New(key), newSlow(key)
		for n := range 600 {
			b := make([]byte, n)
			equal(t, fast, s, b)
			for i := range b {
				b[i] = 0xFF
			}
			equal(t, fast, s, b)
			equal(t, fast, s, random(rnd, n))
		}
	}
}

func random(rnd *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}

func FuzzDefinition(f *testing.F) {
	f.Add([]byte(hash64.FixedKey), []byte("www.example.com"))
	f.Fuzz(func(t *testing.T, key, b []byte) {
		var k hash64.Key
		copy(k[:], key)
		equal(t, hash64.New(k), newSlow(k), b)
	})
}

// Package hash64 is the hash for visor's sketches: it maps a key and a [Hasher]'s secret to 64
// bits.
//
//	h := hash64.New(key) // or Random(), or Fixed()
//	names.Add(h.Sum(name), name, 1)
//	clients.Add(h.Addr(addr))
//
// Hosts with equal keys compute equal hashes, so their sketches can be merged. [Hasher.ID]
// identifies a key without revealing it.
//
// The hash is almost universal. Two different inputs, chosen without knowledge of the key and of
// any hash, have equal hashes with a probability of at most 2⁻⁶² over the choice of the key. So n
// inputs of an attacker have at most n²/2⁶³ colliding pairs: one in 10⁷ for a million inputs. It is
// not a MAC: hashes must stay within the program.
//
// Inputs of up to 512 bytes go through NH (Black et al., "UMAC: Fast and Secure Message
// Authentication", 1999), with words of 64 bits and sums of 128. A multilinear hash follows
// (Lemire, Kaser, "Strongly universal string hashing is fast", 2014). For names of 8 to 40 bytes it
// takes 1.3 times as long as XXH3, which has no key; SipHash-1-3 takes 3 times as long: see
// benchmarks/results/hash64.txt.
package hash64

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"net/netip"
)

// Key is the seed of a Hasher's secret.
type Key [16]byte

// FixedKey is the key of [Fixed]. It is public: an attacker can choose inputs with equal hashes.
const FixedKey = "visor, fixed key"

// ID identifies a key: the first 64 bits of the SHA-256 of a text and the key.
type ID [8]byte

// String returns the ID in hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// pad is a number of 128 bits, or two of 64.
type pad struct{ lo, hi uint64 }

const (
	blockLen = 16
	maxLen   = 512 // greatest length that is hashed without SHA-256
	blocks   = maxLen / blockLen
)

// Hasher hashes under a key. It is immutable and safe for concurrent use.
type Hasher struct {
	pads   [blocks]pad // for NH
	low    pad         // for the halves of NH's sum
	high   pad
	number pad // for integers
	first  pad // for the halves of IPv6 addresses, and of pairs
	second pad
	// for the four kinds, so that hashes of an integer, a pair and a text are independent
	starts [4]uint64
	odds   [2]uint64 // for slots
	id     ID
}

// New returns the Hasher for a key.
func New(key Key) *Hasher {
	h := &Hasher{}
	stream := expander{key: key}
	for i := range h.pads {
		h.pads[i] = stream.pad()
	}
	for _, p := range []*pad{&h.low, &h.high, &h.number, &h.first, &h.second} {
		*p = stream.pad()
	}
	for i := range h.starts {
		h.starts[i] = stream.pad().lo
	}
	for i := range h.odds {
		h.odds[i] = stream.pad().lo | 1
	}
	sum := sha256.Sum256(append([]byte("visor hash key ID"), key[:]...))
	copy(h.id[:], sum[:])
	return h
}

// Random returns a Hasher with a random key.
func Random() *Hasher {
	var key Key
	_, _ = rand.Read(key[:]) // never fails
	return New(key)
}

// Fixed returns the Hasher for [FixedKey], for files whose repeated analysis must return the same
// answer.
func Fixed() *Hasher { return New(Key([]byte(FixedKey))) }

// ID returns the identifier of h's key.
func (h *Hasher) ID() ID { return h.id }

// expander derives numbers from a key: SHA-256 of the key and a counter.
type expander struct {
	key  Key
	n    byte
	left []byte
}

func (e *expander) pad() pad {
	if len(e.left) == 0 {
		sum := sha256.Sum256(append(append([]byte("visor hash pads"), e.key[:]...), e.n))
		e.left = sum[:]
		e.n++
	}
	p := pad{binary.LittleEndian.Uint64(e.left), binary.LittleEndian.Uint64(e.left[8:])}
	e.left = e.left[16:]
	return p
}

func le32(b []byte) uint64 { return uint64(binary.LittleEndian.Uint32(b)) }
func le64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// sum is a sum of NH, modulo 2¹²⁸.
type sum struct{ hi, lo uint64 }

// nh adds a block of 16 bytes.
func (s sum) nh(b []byte, p *pad) sum {
	hi, lo := bits.Mul64(le64(b)+p.lo, le64(b[8:])+p.hi)
	lo, carry := bits.Add64(s.lo, lo, 0)
	return sum{s.hi + hi + carry, lo}
}

// linear adds m times a pad.
func (s sum) linear(m uint64, p *pad) sum {
	hi, lo := bits.Mul64(m, p.lo)
	lo, carry := bits.Add64(s.lo, lo, 0)
	return sum{s.hi + hi + m*p.hi + carry, lo}
}

// Sum returns the hash of b.
//
// Blocks may overlap: together with the length, which is added to the sum, they determine the
// input. Lengths are distinguished by few branches, because a mispredicted branch costs more than a
// block.
func (h *Hasher) Sum(b []byte) uint64 {
	n := len(b)
	s := sum{0, uint64(n)}
	switch p := &h.pads[0]; {
	case n > 2*blockLen:
		s = h.long(b)
	case n > blockLen:
		s = s.nh(b, p).nh(b[n-blockLen:], &h.pads[1])
	case n >= 8:
		s = s.two(le64(b), le64(b[n-8:]), p)
	case n >= 4:
		s = s.two(le32(b), le32(b[n-4:]), p)
	case n > 0:
		s = s.two(uint64(b[0])|uint64(b[n>>1])<<8|uint64(b[n-1])<<16, 0, p)
	}
	// reduce the sum to 64 bits
	t := sum{h.starts[0], 0}.linear(s.lo, &h.low).linear(s.hi, &h.high)
	return mix(t.hi)
}

func (s sum) two(a, b uint64, p *pad) sum {
	hi, lo := bits.Mul64(a+p.lo, b+p.hi)
	lo, carry := bits.Add64(s.lo, lo, 0)
	return sum{s.hi + hi + carry, lo}
}

// long returns the sum of more than two blocks. A longer input than maxLen is replaced by its
// SHA-256.
func (h *Hasher) long(b []byte) sum {
	s := sum{0, uint64(len(b))}
	if len(b) > maxLen {
		digest := sha256.Sum256(b)
		return s.nh(digest[:], &h.pads[0]).nh(digest[blockLen:], &h.pads[1])
	}
	last := len(b) - blockLen
	s = s.nh(b[last:], &h.pads[blocks-1])
	for i := 0; i < last; i += blockLen {
		s = s.nh(b[i:], &h.pads[i/blockLen])
	}
	return s
}

// mix is a bijection. It removes the linearity of the multiplication from the hash.
func mix(x uint64) uint64 {
	x ^= x >> 32
	x *= 0xBF58476D1CE4E5B9
	return x ^ x>>29
}

// Uint64 returns the hash of x.
func (h *Hasher) Uint64(x uint64) uint64 {
	return mix(sum{h.starts[1], 0}.linear(x, &h.number).hi)
}

// Pair returns the hash of two integers in their order.
func (h *Hasher) Pair(x, y uint64) uint64 {
	return mix(sum{h.starts[2], 0}.linear(x, &h.first).linear(y, &h.second).hi)
}

// Slot returns a number whose highest bits are a place for two integers in a table of slots. It
// takes a fifth of the instructions of [Hasher.Pair]. Different integers may have the same number:
// use it where two owners of a slot cost time, and never as the identity of a key. Integers
// with the same slot cost no more than new integers each time, which any sender can make.
func (h *Hasher) Slot(x, y uint64) uint64 { return (x*h.odds[0] ^ y) * h.odds[1] }

// IPv4 returns the hash of an IPv4 address: the hash of its integer.
func (h *Hasher) IPv4(a [4]byte) uint64 { return h.Uint64(uint64(binary.BigEndian.Uint32(a[:]))) }

// IPv6 returns the hash of an IPv6 address.
func (h *Hasher) IPv6(a [16]byte) uint64 {
	x, y := binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])
	return mix(sum{h.starts[3], 0}.linear(x, &h.first).linear(y, &h.second).hi)
}

// Addr returns the hash of an IPv4 or IPv6 address, without its zone.
func (h *Hasher) Addr(a netip.Addr) uint64 {
	if a.Is4() {
		return h.IPv4(a.As4())
	}
	return h.IPv6(a.As16())
}

// Mix returns a number that depends only on x, by a bijection (the finaliser of splitmix64: Steele,
// Lea, Flood, "Fast splittable pseudorandom number generators", 2014). It does not protect against
// chosen input; use it only for values that outsiders cannot choose.
func Mix(x uint64) uint64 {
	x += 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

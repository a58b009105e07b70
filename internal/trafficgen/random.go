package trafficgen

import (
	"math/bits"
	"math/rand/v2"
)

// random draws from the distributions of traffic with integers only: results must not depend on how
// a platform rounds or fuses floating-point operations.
type random struct {
	pcg  rand.PCG
	exp2 [257]uint64 // 2^(i/256) in units of 2^-32
	gaps [257]uint32 // -ln(1-i/256) in units of 2^-16
}

// Roots of two, 2^(1/2), 2^(1/4) to 2^(1/256), in units of 2^-32.
var roots = [8]uint64{6074000999, 5107605667, 4683695047, 4485121743, 4389014833, 4341736423, 4318288543, 4306612133}

const (
	one32 = 1 << 32
	ln2   = 45426 // ln 2 in units of 2^-16
)

func newRandom(seed, stream uint64) *random {
	r := &random{}
	r.pcg.Seed(seed, stream)
	for i := range r.exp2 {
		v := uint64(one32)
		for b, root := range roots {
			if i>>(7-b)&1 == 1 {
				v = mul32(v, root)
			}
		}
		r.exp2[i] = v
	}
	r.exp2[256] = 2 * one32
	for i := range 256 {
		r.gaps[i] = uint32((8<<16 - log2(uint64(256-i))) * ln2 >> 16)
	}
	r.gaps[256] = uint32(10 << 16 * ln2 >> 16) // the tail is cut
	return r
}

// mul32 multiplies two numbers in units of 2^-32.
func mul32(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi<<32 | lo>>32
}

// log2 returns the binary logarithm of x, which is not 0, in units of 2^-16.
func log2(x uint64) uint64 {
	n := bits.Len64(x) - 1
	y := x << (63 - n) >> 32 // in [1,2), in units of 2^-31
	out := uint64(n)
	for range 16 {
		y = y * y >> 31
		out <<= 1
		if y >= 1<<32 {
			out |= 1
			y >>= 1
		}
	}
	return out
}

func (r *random) uint64() uint64 { return r.pcg.Uint64() }

// n returns a number below n.
func (r *random) n(n uint32) uint32 { return uint32(r.pcg.Uint64() >> 32 * uint64(n) >> 32) }

// between returns a number from lo to hi, both included.
func (r *random) between(lo, hi uint32) uint32 { return lo + r.n(hi-lo+1) }

// percent returns true p times in a hundred.
func (r *random) percent(p uint32) bool { return r.n(100) < p }

// gap returns an exponentially distributed number, cut at about 7 times its mean.
func (r *random) gap(mean uint64) int64 {
	u := r.pcg.Uint64()
	lo, hi := uint64(r.gaps[u>>56]), uint64(r.gaps[u>>56+1])
	f := lo<<16 + (hi-lo)*(u>>40&0xFFFF) // in units of 2^-32
	return int64(mul32(mean, f))
}

// lognormal returns a lognormally distributed number of this median. Sigma is in octaves, in units
// of 2^-8. The normal deviate is a sum of twelve uniform ones, so it stays within 6 sigma.
func (r *random) lognormal(median uint64, sigma int64) uint64 {
	var sum int64
	for range 3 {
		u := r.pcg.Uint64()
		sum += int64(u&0xFFFF + u>>16&0xFFFF + u>>32&0xFFFF + u>>48)
	}
	z := (sum - 6<<16) * sigma >> 8 // octaves in units of 2^-16
	return r.scale(median, z)
}

// scale returns v times 2^z, with z in units of 2^-16.
func (r *random) scale(v uint64, z int64) uint64 {
	i := uint64(z) >> 8 & 0xFF
	lo, hi := r.exp2[i], r.exp2[i+1]
	v = mul32(v, lo+(hi-lo)*(uint64(z)&0xFF)>>8)
	if shift := z >> 16; shift >= 0 {
		return v << uint(shift)
	} else {
		return v >> uint(-shift)
	}
}

// mix is the finaliser of splitmix64: a bijection.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

// scramble is a bijection of numbers of n bits: a counter looks random and does not repeat.
func scramble(x uint32, bits uint) uint32 {
	mask := uint32(1)<<bits - 1
	x = (x & mask) * 0x9E3779B1 & mask
	x ^= x >> (bits / 2)
	x = x * 0x85EBCA6B & mask
	return x ^ x>>(bits/2)
}

// alias draws indexes by given weights in constant time (Walker 1977, Vose 1991), with integers.
type alias struct {
	keep  []uint32 // the chance to keep index i, in units of 2^-32
	other []uint32 // the alternative to i
}

// newZipf returns the distribution of Zipf's law: index i has the weight 1/(i+1).
func newZipf(n int) *alias {
	weights := make([]uint64, n)
	for i := range weights {
		weights[i] = one32 / uint64(i+1)
	}
	return newAlias(weights)
}

// newAlias takes weights, which are overwritten; their sum must be positive and below 2^40.
func newAlias(weights []uint64) *alias {
	n := len(weights)
	a := &alias{keep: make([]uint32, n), other: make([]uint32, n)}
	var sum uint64
	for _, w := range weights {
		sum += w
	}
	small, large := make([]uint32, 0, n), make([]uint32, 0, n)
	for i := range weights {
		weights[i] *= uint64(n) // against sum, which is the mean now
		if weights[i] < sum {
			small = append(small, uint32(i))
		} else {
			large = append(large, uint32(i))
		}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		hi, lo := bits.Mul64(weights[s], one32)
		keep, _ := bits.Div64(hi, lo, sum)
		a.keep[s], a.other[s] = uint32(keep), l
		weights[l] -= sum - weights[s]
		if weights[l] < sum {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	for _, i := range append(small, large...) {
		a.keep[i], a.other[i] = 0, i
	}
	return a
}

func (a *alias) draw(r *random) uint32 {
	u := r.pcg.Uint64()
	hi, lo := bits.Mul64(u, uint64(len(a.keep)))
	if uint32(lo>>32) < a.keep[hi] {
		return uint32(hi)
	}
	return a.other[hi]
}

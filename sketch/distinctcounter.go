package sketch

import (
	"math"
	"math/bits"
	"unsafe"
)

const (
	distinctExact     = 32                // sub-keys up to which their hashes are stored
	distinctRegisters = 8 * distinctExact // in the same memory
	distinctRank      = 40                // the greatest rank of a register
	distinctKeyBytes  = int(unsafe.Sizeof(distinctKey{}))
)

// distinctCounter counts hashes and sums their weights, each hash once. Up to 32 it stores them.
// Beyond, it has the registers of a HyperLogLog. A change of a register adds 1 to the count, and
// the weight to the sum, each divided by the probability that another hash changes a register.
// These sums are unbiased, with a standard error of 0.83/√256 (Cohen, "All-Distances Sketches,
// Revisited", 2014; Ting, "Streamed Approximate Counting of Distinct Elements", 2014). A
// HyperLogLog of weighted hashes, as in Ozery et al., arXiv 2307.02614, is wrong while there are
// few hashes for each register.
type distinctCounter struct {
	count  float64
	weight float64
	change float64 // the probability that another hash changes a register
	n      uint8   // of hashes
	dense  bool
	// hashes, with open addressing, linear probing and 0 for a free place; or registers of a byte
	words [distinctExact]uint64
}

// add counts a hash, and reports whether that changed c.
func (c *distinctCounter) add(h uint64, weight uint32) bool {
	if c.dense {
		return c.raise(h, weight)
	}
	for i := h / distinctRegisters; c.words[i%distinctExact] != 0; i++ {
		if c.words[i%distinctExact] == h {
			return false
		}
		if i == h/distinctRegisters+distinctExact {
			c.densify()
			return c.raise(h, weight)
		}
	}
	c.store(h)
	c.count++
	c.weight += float64(weight)
	return true
}

// store stores a hash that c does not have.
func (c *distinctCounter) store(h uint64) {
	i := h / distinctRegisters
	for c.words[i%distinctExact] != 0 {
		i++
	}
	c.words[i%distinctExact] = h
	c.n++
}

// register returns the number and the rank of a hash's register. The highest bits of a hash decide
// about seeds and samples. The lowest bits are the number; the rank counts zeros above them.
func register(h uint64) (number, rank uint64) {
	return h % distinctRegisters, uint64(bits.TrailingZeros64(h/distinctRegisters|1<<(distinctRank-1))) + 1
}

func (c *distinctCounter) rank(number uint64) uint64 {
	return c.words[number/8] >> (number % 8 * 8) & 0xFF
}

func (c *distinctCounter) setRank(number, rank uint64) {
	at := number % 8 * 8
	c.words[number/8] = c.words[number/8]&^(0xFF<<at) | rank<<at
}

// raise counts a hash in the registers.
func (c *distinctCounter) raise(h uint64, weight uint32) bool {
	number, rank := register(h)
	old := c.rank(number)
	if rank <= old {
		return false
	}
	c.count += 1 / c.change
	c.weight += float64(weight) / c.change
	c.change = max(c.change-(chance(old)-chance(rank)), chance(1<<6))
	c.setRank(number, rank)
	return true
}

// chance returns the probability that a hash changes the register that has a rank.
func chance(rank uint64) float64 {
	const bias, mantissa = 1023, 52
	return math.Float64frombits((bias-rank)<<mantissa) / distinctRegisters
}

// densify switches to registers. Count and weight stay exact.
func (c *distinctCounter) densify() {
	hashes := c.words
	c.words, c.dense = [distinctExact]uint64{}, true
	for _, h := range hashes {
		if number, rank := register(h); h != 0 && rank > c.rank(number) {
			c.setRank(number, rank)
		}
	}
	c.n = 0
	c.sumChange()
}

// sumChange sets the probability of a change by the registers.
func (c *distinctCounter) sumChange() {
	units := uint64(0) // of the least chance
	for _, w := range c.words {
		for range 8 {
			units += 1 << distinctRank >> (w & 0x3F)
			w >>= 8
		}
	}
	c.change = float64(units) * chance(distinctRank)
}

// estimate returns the number of hashes by the registers: algorithm 6 of Ertl, see
// [Cardinality.Estimate].
func (c *distinctCounter) estimate() float64 {
	const m, top = distinctRegisters, distinctRank
	var hist [top + 1]int
	for number := range uint64(m) {
		hist[min(c.rank(number), top)]++
	}
	z := m * tau(1-float64(hist[top])/m)
	for k := top - 1; k >= 1; k-- {
		z = 0.5 * (z + float64(hist[k]))
	}
	z += m * sigma(float64(hist[0])/m)
	return m * m / (2 * math.Ln2 * z)
}

// merge adds the hashes of src.
func (c *distinctCounter) merge(src *distinctCounter) {
	if src.count == 0 {
		return
	}
	if c.count == 0 {
		*c = *src
		return
	}
	mean := (c.weight + src.weight) / (c.count + src.count)
	most := c.count + src.count
	least := max(c.count, src.count)
	if !src.dense {
		c.mergeHashes(src, mean)
		return
	}
	before := *c
	if !c.dense {
		*c = *src
		c.mergeHashes(&before, mean)
		return
	}
	for i, w := range src.words {
		c.words[i] = greater(c.words[i], w)
	}
	c.sumChange()
	c.count = min(max(c.estimate(), least), most)
	c.weight = c.count * mean
}

// mergeHashes counts the hashes of src, which are stored, with the mean weight.
func (c *distinctCounter) mergeHashes(src *distinctCounter, mean float64) {
	for _, h := range src.words {
		if h != 0 {
			c.add(h, 0)
		}
	}
	c.weight = c.count * mean
}

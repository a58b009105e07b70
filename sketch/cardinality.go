package sketch

import (
	"math"
	"math/bits"
)

const (
	cardBits  = 14
	registers = 1 << cardBits
	cardExact = 1024
	rankMax   = 64 - cardBits
)

// Cardinality counts distinct keys by their hashes.
type Cardinality struct {
	set   []uint64 // open addressing, while exact; 0 is free
	n     int
	dense []byte
	isBig bool
}

// Add adds the key whose hash is h.
func (c *Cardinality) Add(h uint64) {
	if c.isBig {
		r := byte(bits.TrailingZeros64(h>>cardBits|1<<rankMax)) + 1
		if p := &c.dense[h&(registers-1)]; r > *p {
			*p = r
		}
		return
	}
	c.addExact(h)
}

func (c *Cardinality) addExact(h uint64) {
	if h == 0 {
		h = 1
	}
	if 2*(c.n+1) > len(c.set) {
		old := c.set
		c.set = make([]uint64, max(32, 2*len(old)))
		for _, o := range old {
			if o != 0 {
				*c.slot(o) = o
			}
		}
	}
	s := c.slot(h)
	if *s == h {
		return
	}
	if c.n == cardExact {
		c.densify()
		c.Add(h)
		return
	}
	*s = h
	c.n++
}

func (c *Cardinality) slot(h uint64) *uint64 {
	mask := uint64(len(c.set) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		if c.set[i] == h || c.set[i] == 0 {
			return &c.set[i]
		}
	}
}

func (c *Cardinality) densify() {
	if c.dense == nil {
		c.dense = make([]byte, registers)
	}
	c.isBig = true
	for _, h := range c.set {
		if h != 0 {
			c.Add(h)
		}
	}
}

// Merge adds what src has seen.
func (c *Cardinality) Merge(src *Cardinality) {
	if !src.isBig {
		for _, h := range src.set {
			if h != 0 {
				c.Add(h)
			}
		}
		return
	}
	if !c.isBig {
		c.densify()
	}
	for i, r := range src.dense {
		c.dense[i] = max(c.dense[i], r)
	}
}

// Reset empties c and keeps its memory.
func (c *Cardinality) Reset() {
	clear(c.set)
	if c.isBig {
		clear(c.dense)
	}
	c.n, c.isBig = 0, false
}

// Estimate returns the estimated number of distinct keys: Ertl, "New cardinality estimation algorithms for
// HyperLogLog sketches" (2017), algorithm 6.
func (c *Cardinality) Estimate() uint64 {
	if !c.isBig {
		return uint64(c.n)
	}
	var hist [rankMax + 2]int
	for _, r := range c.dense {
		hist[r]++
	}
	const m = registers
	z := m * tau(1-float64(hist[rankMax+1])/m)
	for k := rankMax; k >= 1; k-- {
		z = 0.5 * (z + float64(hist[k]))
	}
	z += m * sigma(float64(hist[0])/m)
	return uint64(math.Round(m * m / (2 * math.Ln2 * z)))
}

func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	y, z := 1.0, x
	for {
		x *= x
		before := z
		z += x * y
		y += y
		if z == before {
			return z
		}
	}
}

func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	y, z := 1.0, 1-x
	for {
		x = math.Sqrt(x)
		before := z
		y *= 0.5
		z -= (1 - x) * (1 - x) * y
		if z == before {
			return z / 3
		}
	}
}

package sketch

import (
	"fmt"

	"github.com/segmentio/go-hll"
)

// HLL returns c as a value of segmentio/go-hll, with log2m 14 and regwidth 5. The value shares no
// memory with c. Its own estimate can be wrong by 6 percent around 40,000 keys, unlike
// [Cardinality.Estimate].
func (c *Cardinality) HLL() (hll.Hll, error) {
	data, err := c.MarshalBinary()
	if err != nil {
		return hll.Hll{}, err
	}
	return hll.FromBytes(data)
}

// CardinalityOf returns the Cardinality of a go-hll value with log2m 14 and any regwidth, or an
// error for other values. It merges with the Cardinalities of a hash64.Hasher only if that hashed
// the keys of h.
func CardinalityOf(h hll.Hll) (c *Cardinality, err error) {
	defer func() {
		if r := recover(); r != nil { // go-hll panics on a value without settings
			c, err = nil, fmt.Errorf("sketch: go-hll value: %v", r)
		}
	}()
	c = new(Cardinality)
	if err := c.UnmarshalBinary(h.ToBytes()); err != nil {
		return nil, err
	}
	return c, nil
}

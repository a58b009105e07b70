package anonymize

import (
	"crypto/aes"
	"encoding/binary"
	"net/netip"

	"visor/sketch/hash64"
)

// newCryptoPAn returns the Method of a key. It takes about a millisecond.
func newCryptoPAn(cfg Config) (*Method, error) {
	block, err := aes.NewCipher(cfg.Key[:16])
	if err != nil {
		return nil, err
	}
	m := &Method{cfg: cfg, block: block, hash: hash64.Random()}
	var pad [16]byte
	block.Encrypt(pad[:], cfg.Key[16:])
	m.pad = [2]uint64{binary.BigEndian.Uint64(pad[:]), binary.BigEndian.Uint64(pad[8:])}
	c := Cache{method: m}
	for length := range topBits {
		for prefix := range 1 << length {
			if c.flip(uint64(prefix)<<(64-length), 0, length) {
				node := 1<<length | prefix
				m.top[node/64] |= 1 << (node % 64)
			}
		}
	}
	return m, nil
}

// flip reports whether the bit behind the first n bits of an address flips. By the paper it is the
// first bit of the encryption of these bits, followed by the pad.
func (c *Cache) flip(high, low uint64, n int) bool {
	pad := &c.method.pad
	a, b := ^uint64(0)>>n, ^uint64(0)>>max(n-64, 0) // the bits of the pad in each half
	binary.BigEndian.PutUint64(c.in[:], high&^a|pad[0]&a)
	binary.BigEndian.PutUint64(c.in[8:], low&^b|pad[1]&b)
	c.method.block.Encrypt(c.out[:], c.in[:])
	return c.out[0]&0x80 != 0
}

// flips returns the flips of the bits from one position up to another, both in the same half.
func (c *Cache) flips(high, low uint64, from, to int) (out uint64) {
	for n := from; n < to; n++ {
		if c.flip(high, low, n) {
			out |= 1 << (63 - n%64)
		}
	}
	return out
}

// topFlips returns the flips of the first bits of an address.
func (m *Method) topFlips(high uint64) (out uint64) {
	for length := range topBits {
		node := 1<<length | high>>(64-length)
		out |= m.top[node/64] >> (node % 64) & 1 << (63 - length)
	}
	return out
}

// encrypt returns the address for addr by Crypto-PAn.
func (c *Cache) encrypt(addr netip.Addr) netip.Addr {
	if addr.Is4() {
		a := addr.As4()
		high := uint64(binary.BigEndian.Uint32(a[:])) << 32
		flips := c.find(32, high, 0, func() uint64 { return c.method.topFlips(high) | c.flips(high, 0, topBits, 32) })
		binary.BigEndian.PutUint32(a[:], uint32((high^flips)>>32))
		return netip.AddrFrom4(a)
	}
	a := addr.As16()
	high, low := binary.BigEndian.Uint64(a[:]), binary.BigEndian.Uint64(a[8:])
	first := c.find(64, high, 0, func() uint64 { return c.method.topFlips(high) | c.flips(high, low, topBits, 64) })
	second := c.find(128, high, low, func() uint64 { return c.flips(high, low, 64, 128) })
	binary.BigEndian.PutUint64(a[:], high^first)
	binary.BigEndian.PutUint64(a[8:], low^second)
	return netip.AddrFrom16(a)
}

// find returns the flips of an address of a length, which it remembers.
func (c *Cache) find(bits uint8, high, low uint64, compute func() uint64) uint64 {
	s := &c.slots[c.method.hash.Pair(high^uint64(bits), low)>>(64-slotBits)]
	if s.bits != bits || s.high != high || s.low != low {
		*s = slot{bits, high, low, compute()}
	}
	return s.flips
}

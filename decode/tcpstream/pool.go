package tcpstream

import "math/bits"

const (
	minBlock = 1 << 9
	maxBlock = 1 << 16
	classes  = 8 // 512 bytes to 64 KiB, doubling
)

// pool hands out blocks for bytes that wait, and keeps those that come back. What it has handed out and what
// it keeps never exceed max together.
type pool struct {
	free [classes][][]byte
	max  int
	all  int // bytes in blocks that exist
	live int // of which handed out
}

func class(n int) int { return max(bits.Len(uint(n-1)), 9) - 9 }

// get returns a block for n bytes, 1 to maxBlock, or nil if that would be too much.
func (p *pool) get(n int) []byte {
	k := class(n)
	size := minBlock << k
	if last := len(p.free[k]) - 1; last >= 0 {
		b := p.free[k][last]
		p.free[k] = p.free[k][:last]
		p.live += size
		return b[:n]
	}
	if p.live+size > p.max {
		return nil
	}
	for i := 0; p.all+size > p.max; i++ {
		p.forget(i, p.all+size-p.max)
	}
	p.all += size
	p.live += size
	return make([]byte, n, size)
}

// forget leaves free blocks of class k to the garbage collector, enough for want bytes if there are so many.
func (p *pool) forget(k, want int) {
	free := p.free[k]
	for len(free) > 0 && want > 0 {
		last := len(free) - 1
		want -= cap(free[last])
		p.all -= cap(free[last])
		free[last] = nil
		free = free[:last]
	}
	p.free[k] = free
}

func (p *pool) put(b []byte) {
	k := class(cap(b))
	p.live -= cap(b)
	p.free[k] = append(p.free[k], b)
}

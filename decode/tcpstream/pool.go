package tcpstream

import "math/bits"

const (
	minBlock = 1 << 9
	maxBlock = 1 << 17
	classes  = 9 // 512 bytes to 128 KiB, doubling
)

// Pool lends blocks of memory for waiting bytes in streams and their readers, and keeps returned
// blocks for reuse. Lent and kept blocks together never exceed its limit. It is owned by one
// goroutine.
type Pool struct {
	free [classes][][]byte
	max  int
	all  int // bytes in all blocks
	live int // bytes in lent blocks
}

// NewPool returns a Pool of limit bytes, in blocks of 512 bytes to 128 KiB; 0 or less means 4 MiB,
// and the minimum is 128 KiB.
func NewPool(limit int) *Pool { return &Pool{max: max(orDefault(limit, defaultBuffered), maxBlock)} }

// Crowded reports whether more than seven eighths of p are lent, so that users should return
// blocks.
func (p *Pool) Crowded() bool { return p.live > p.max-p.max/8 }

func class(n int) int { return max(bits.Len(uint(n-1)), 9) - 9 }

// Get returns a block for n bytes, or nil if memory is exhausted or n is above 128 KiB.
func (p *Pool) Get(n int) []byte {
	if n < 1 || n > maxBlock {
		return nil
	}
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

// forget leaves free blocks of class k to the garbage collector: enough for want bytes if that many
// exist.
func (p *Pool) forget(k, want int) {
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

// Put takes back a block that Get returned.
func (p *Pool) Put(b []byte) {
	k := class(cap(b))
	p.live -= cap(b)
	p.free[k] = append(p.free[k], b)
}

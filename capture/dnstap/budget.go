package dnstap

import "sync"

// budget limits the memory shared by clients, in bytes. It is safe for concurrent use.
type budget struct {
	mu    sync.Mutex
	left  int
	freed chan struct{} // closed when bytes are returned
}

func newBudget(n int) *budget { return &budget{left: n, freed: make(chan struct{})} }

// take waits for n bytes and takes them all at once. A waiting client holds none, so clients cannot
// deadlock. take returns false when gone is closed.
func (b *budget) take(n int, gone <-chan struct{}) bool {
	for {
		b.mu.Lock()
		if b.left >= n {
			b.left -= n
			b.mu.Unlock()
			return true
		}
		freed := b.freed
		b.mu.Unlock()
		select {
		case <-freed:
		case <-gone:
			return false
		}
	}
}

func (b *budget) give(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += n
	close(b.freed)
	b.freed = make(chan struct{})
}

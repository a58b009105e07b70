package dnstap

import "sync"

// budget shares a number of bytes between clients. It is safe for concurrent use.
type budget struct {
	mu    sync.Mutex
	left  int
	freed chan struct{} // closed when bytes come back
}

func newBudget(n int) *budget { return &budget{left: n, freed: make(chan struct{})} }

// take waits for n bytes, all at once: a waiting client holds none, so that there is no deadlock.
// It returns false when gone is closed.
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

package main

import (
	"sync"
	"time"
)

// heavies is how many names are heavy.
const heavies = 10

// second is the ordinary traffic of one second.
type second struct {
	queries, replies uint64
	names            map[string]bool
}

// truth counts the sent ordinary traffic by second. It is safe for concurrent use.
type truth struct {
	mu      sync.Mutex
	seconds map[int64]*second
}

func newTruth() *truth { return &truth{seconds: make(map[int64]*second)} }

// now returns the current second. It is called under the lock.
func (t *truth) now() *second {
	at := time.Now().Unix()
	s := t.seconds[at]
	if s == nil {
		s = &second{names: make(map[string]bool)}
		t.seconds[at] = s
		delete(t.seconds, at-600)
	}
	return s
}

func (t *truth) query(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.now()
	s.queries++
	s.names[name] = true
}

func (t *truth) reply() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now().replies++
}

// span returns the counts in the seconds from start on.
func (t *truth) span(start, seconds int64) (sum second) {
	t.mu.Lock()
	defer t.mu.Unlock()
	sum.names = make(map[string]bool)
	for at := start; at < start+seconds; at++ {
		s := t.seconds[at]
		if s == nil {
			continue
		}
		sum.queries += s.queries
		sum.replies += s.replies
		for n := range s.names {
			sum.names[n] = true
		}
	}
	return sum
}

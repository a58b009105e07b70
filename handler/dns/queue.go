package dns

import "visor/handler"

// queue holds messages of a batch until there are some. Counts in a loop over many messages take
// half the instructions of counts between other work: tables and their bounds stay in registers.
type queue struct {
	all  [together]*handler.Message
	deep uint64 // a bit for each: it was sampled
	n    int
}

// add adds a message. It returns true if the queue is full: it must be emptied before the next.
func (q *queue) add(m *handler.Message, deep bool) (full bool) {
	q.all[q.n%together] = m
	bit := uint64(0)
	if deep {
		bit = 1
	}
	q.deep |= bit << (q.n % together)
	q.n++
	return q.n == together
}

func (q *queue) messages() []*handler.Message { return q.all[:q.n] }

// replies returns a bit for each message that is a reply.
func (q *queue) replies() (set uint64) {
	for i, m := range q.messages() {
		bit := uint64(0)
		if m.Response() {
			bit = 1
		}
		set |= bit << (i % together)
	}
	return set
}

func (q *queue) empty() { q.n, q.deep = 0, 0 }

package dns

import (
	"net/netip"

	"visor/handler"
)

// queue holds messages of a batch until there are some. Counts in a loop over many messages take
// half the instructions of counts between other work: tables and their bounds stay in registers.
type queue struct {
	all  [together]*handler.Message
	deep uint64 // a bit for each: it was sampled
	n    int
	// the client of each, see clients
	asking [together]address
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

// clients sets the client of each message. It returns a bit for each that has its address, for each
// that is a reply, and for each of dnstap.
func (q *queue) clients() (known, replies, taps uint64) {
	for i, m := range q.messages() {
		bit := uint64(0)
		if m.Response() {
			bit = 1
		}
		replies |= bit << (i % together)
		if m.DNSTap != nil { // the client is its source, see [handler.Message.Ends]
			bit, taps = 0, taps|1<<(i%together)
		}
		ends := [2]*netip.AddrPort{&m.Packet.Src, &m.Packet.Dst}
		addr := ends[bit].Addr() // without a branch
		q.asking[i%together] = addressOf(addr)
		if addr.IsValid() {
			known |= 1 << (i % together)
		}
	}
	return known, replies, taps
}

func (q *queue) empty() { q.n, q.deep = 0, 0 }

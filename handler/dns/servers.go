package dns

import (
	"visor/decode/dnsmsg"
	"visor/handler"
	"visor/handler/metric"
	"visor/sketch"
	"visor/sketch/hash64"
)

// Server holds the counts of the transactions with one server. pktvisor does not have them.
type Server struct {
	Trans      sketch.Counter  `metric:"xacts" prom:"dns_server_xacts" help:"transactions: replies of the server that met their query in time"`
	Time       sketch.Quantile `metric:"xact_time_us" prom:"dns_server_xact_time_us" help:"time from query to reply of the server, microseconds"`
	Unanswered sketch.Counter  `metric:"unanswered" prom:"dns_server_unanswered" help:"queries without a reply of the server in time"`
	ServFail   sketch.Counter  `metric:"srvfail" prom:"dns_server_srvfail" help:"transactions with RCODE SERVFAIL"`
	Truncated  sketch.Counter  `metric:"truncated" prom:"dns_server_truncated" help:"transactions with a truncated reply"`
}

const (
	serversMost  = 64
	otherServers = "others"
	serverBits   = 10 // log2 of the counters of servers that are not in the list
)

// serverCounts selects the servers with separate counts: the 64 busiest. Others share one set.
//
// A server takes the place of the least busy one if its transactions exceed twice that one's, and
// 8. A counter by hash counts them; servers that share it only enter earlier. Thus a server with
// separate counts lacks less than 1/32 of all transactions of the period, and 8. So does the list.
// The servers of a period are the first ones of the next.
type serverCounts struct {
	to      *metric.Map[Server] // nil if they are off
	hash    *hash64.Hasher
	mask    *mask
	entries []serverCount           // up to serversMost
	index   [4 * serversMost]uint8  // open addressing; one more than the place in entries
	waiting [1 << serverBits]uint32 // transactions of servers without an entry
	enter   uint32                  // a lower bound of what a server needs to enter
	// the place plus one of a server of late, by its slot; saves a hash and a search
	near   [64]uint8
	others *Server
	times  [together]serverTime // to be added
	timed  int                  // the number of these
}

// serverTime is the time of a transaction on its way to the distribution of its server. The
// distributions of 64 servers are large; in a short loop, the loads of many times overlap.
type serverTime struct {
	to *sketch.Quantile
	us float64
}

type serverCount struct {
	server address
	name   string // the text of server; "" until it is needed
	hash   uint64
	count  uint32 // transactions in this period, and half of those before
	own    *Server
}

const enterMargin = 8

// of returns the counts of a server. Servers that are shown as one address count together.
func (t *serverCounts) of(server address) *Server {
	server = t.mask.address(server)
	near := &t.near[t.hash.Slot(server.high, server.low)>>(64-6)]
	if *near != 0 {
		if e := &t.entries[*near-1]; e.server == server {
			return t.counts(e)
		}
	}
	h := server.sum(t.hash)
	i := h % uint64(len(t.index))
	for ; t.index[i] != 0; i = (i + 1) % uint64(len(t.index)) {
		if e := &t.entries[t.index[i]-1]; e.server == server {
			*near = t.index[i]
			return t.counts(e)
		}
	}
	if len(t.entries) < serversMost {
		t.entries = append(t.entries, serverCount{server: server, hash: h})
		t.index[i] = uint8(len(t.entries))
		return t.counts(&t.entries[len(t.entries)-1])
	}
	return t.other(server, h)
}

// counts counts a transaction of an entry.
func (t *serverCounts) counts(e *serverCount) *Server {
	e.count++
	if e.own == nil {
		if e.name == "" {
			e.name = e.server.addr().String()
		}
		e.own = t.to.At(e.name)
	}
	return e.own
}

// other counts a transaction of a server without an entry, which may get one.
func (t *serverCounts) other(server address, h uint64) *Server {
	w := &t.waiting[h>>(64-serverBits)]
	if *w++; *w > t.enter {
		least := t.least()
		if t.enter = 2*least.count + enterMargin; *w > t.enter {
			t.replace(least, server, h, *w)
			*w = 0
			return t.counts(least)
		}
	}
	if t.others == nil {
		t.others = t.to.At(otherServers)
	}
	return t.others
}

func (t *serverCounts) least() *serverCount {
	least := &t.entries[0]
	for i := range t.entries {
		if e := &t.entries[i]; e.count < least.count {
			least = e
		}
	}
	return least
}

// replace replaces the least busy server by another.
func (t *serverCounts) replace(e *serverCount, server address, h uint64, count uint32) {
	if e.own != nil {
		t.deliver()
		t.to.Fold(e.name, otherServers)
	}
	*e = serverCount{server: server, hash: h, count: count}
	t.reindex()
}

func (t *serverCounts) reindex() {
	clear(t.index[:])
	clear(t.near[:])
	for n := range t.entries {
		i := t.entries[n].hash % uint64(len(t.index))
		for t.index[i] != 0 {
			i = (i + 1) % uint64(len(t.index))
		}
		t.index[i] = uint8(n + 1)
	}
}

// shift begins a period, whose metrics are empty unless there is a single bucket.
func (t *serverCounts) shift(to *metric.Map[Server]) {
	t.to = to
	if to.Len() > 0 {
		return
	}
	kept := t.entries[:0]
	for _, e := range t.entries {
		if e.own, e.count = nil, e.count/2; e.count > 0 {
			kept = append(kept, e)
		}
	}
	t.entries, t.others, t.enter = kept, nil, 0
	clear(t.waiting[:])
	t.reindex()
}

// reply counts a transaction of ns nanoseconds, or of unknownTime.
func (t *serverCounts) reply(m *handler.Message, ns int64) {
	_, addr := m.Ends()
	if !addr.IsValid() {
		return
	}
	s := t.of(addressOf(addr))
	s.Trans.Add(1)
	if ns != unknownTime {
		t.times[t.timed%together] = serverTime{&s.Time, float64(ns / 1000)}
		if t.timed++; t.timed == len(t.times) {
			t.deliver()
		}
	}
	if m.Msg == nil {
		return
	}
	if m.Msg.RCode() == dnsmsg.RCodeServFail {
		s.ServFail.Add(1)
	}
	if m.Msg.Truncated() {
		s.Truncated.Add(1)
	}
}

// deliver adds all times to the distributions.
func (t *serverCounts) deliver() {
	for i := range t.times[:t.timed] {
		t.times[i].to.Add(t.times[i].us)
	}
	t.timed = 0
}

// boundServers folds the least busy servers into the others, so that 64 remain.
func boundServers(servers *metric.Map[Server]) {
	servers.FoldLeast(serversMost, otherServers, func(s *Server) uint64 { return s.Trans.Value() + s.Unanswered.Value() })
}

package dns

import (
	"math/bits"
	"net/netip"
	"time"

	"visor/decode"
	"visor/decode/dnsmsg"
	"visor/decode/dnstapmsg"
	"visor/handler"
	"visor/handler/metric"
	"visor/internal/flowtable"
)

// NewShard returns the part of h for one worker.
func (h *TransactionHandler) NewShard() handler.Shard { return h.NewShards(1)[0] }

// NewShards returns the parts of h for n workers of one pipeline.
func (h *TransactionHandler) NewShards(n int) (out []handler.Shard) {
	slow := new(slowness)
	for range n {
		s := &transactionShard{front: h.newFront(transactionHosts, transactionContent.traffic), slow: slow}
		s.waits = s.waits || s.groups.Has(xactDomains)
		s.waiting = newWaiting(&h.cfg, s.lost)
		s.Deliver = s.complete
		for dir := range s.content {
			s.content[dir] = newContents(h.Info().Groups, transactionContent, s.mask)
		}
		s.connectOwn(&s.Live.Clients, &s.Live.Servers)
		out = append(out, s)
	}
	return out
}

type transactionShard struct {
	front[TransactionMetrics]
	waiting waiting[asker]
	taps    dnstapKinds
	// metrics of the live period, by decode.Direction; nil until there is a reply
	dirs    [3]*Direction
	slow    *slowness
	levels  levels       // of the live period
	start   int64        // of the live period, ns
	content [3]*contents // by decode.Direction of the query; nil if its groups are off
	queues  [3]queue     // for content
	subnets kept[netip.Addr]
	sums    [3]replies // by decode.Direction of the query, until the next second
}

// complete adds all counts to the metrics.
func (s *transactionShard) complete() {
	s.deliver()
	for dir, content := range s.content {
		if content != nil && s.dirs[dir] != nil {
			content.deliver(&s.dirs[dir].Content)
		}
	}
}

// contains counts what a message of a transaction in direction dir contains, if its question passes
// the filters, whichever half of a transaction they are for.
func (s *transactionShard) contains(m *handler.Message, dir decode.Direction, deep bool) {
	if !s.filter.none && !s.filter.matchQuestion(m) {
		return
	}
	if s.queues[dir].add(m, deep) {
		s.countQueue(dir)
	}
}

// countQueue counts the messages of a direction that wait.
func (s *transactionShard) countQueue(dir decode.Direction) {
	q := &s.queues[dir]
	if q.n == 0 {
		return
	}
	to, content := &s.direction(dir).Content, s.content[dir]
	content.count(to, q)
	if content.traffic {
		for deep := q.deep; deep != 0; deep &= deep - 1 {
			s.source(content, &to.Traffic, q.all[bits.TrailingZeros64(deep)])
		}
	}
	q.empty()
}

// source counts the source of a query. Where dnstap has no queries of a type, a reply stands for
// its query.
func (s *transactionShard) source(content *contents, to *TrafficCounts, m *handler.Message) {
	if m.Response() && (m.DNSTap == nil || s.taps.asks.Has(m.DNSTapType)) {
		return
	}
	if client, ok := clientOf(m); ok {
		content.source(to, m, client.sum(s.Hash))
	}
}

// asker is the state that version 2.0 keeps for a query.
type asker struct {
	size   uint32 // length of the message, bytes
	ends   uint32 // see [ends]
	subnet uint32 // EDNS client subnet, see subnets
	class  askerClass
}

// askerClass is a decode.Direction and flags. With more fields, the compiler would copy an asker
// through memory.
type askerClass uint8

const (
	disabled askerClass = 1 << (2 + iota) // checking is
	filtered                              // the reply is dropped too
)

func (c askerClass) direction() decode.Direction { return decode.Direction(c & 3) }

// Open returns the number of queries that wait for their reply.
func (s *transactionShard) Open() int { return s.waiting.open.Len() }

// Process counts the batch's DNS messages.
func (s *transactionShard) Process(b *handler.Batch) {
	s.levels = s.slow.at(s.start)
	for i := range b.DNS {
		if i%ahead == 0 {
			next := b.DNS[i:min(i+ahead, len(b.DNS))]
			s.names.touch(next)
			s.waiting.touch(next)
		}
		m := &b.DNS[i]
		if !s.Events.In(m.TimeNS) {
			s.flush()
			s.Events.Begin(m.TimeNS)
		}
		s.message(m)
	}
	for dir := range s.queues {
		s.countQueue(decode.Direction(dir))
	}
	s.flush()
}

// flush adds the counts of a second to the metrics and the account.
func (s *transactionShard) flush() {
	for dir := range s.sums {
		if t := &s.sums[dir]; t.all > 0 {
			s.dirs[dir].addReplies(t, s.Events.Unix(), s.groups.Has(xactTopRCodes))
			*t = replies{}
		}
	}
	s.Flush()
}

// Shift closes the live period. Queries that have timed out by then count in it; pktvisor counts
// them in the next.
func (s *transactionShard) Shift(startNS int64) {
	s.slow.begin(startNS)
	for dir, d := range s.dirs {
		if d != nil {
			s.slow.report(decode.Direction(dir), &d.Time)
		}
	}
	s.start = startNS
	s.waiting.expire(startNS)
	s.Base.Shift(startNS)
	s.taps.shift(&s.Live.DNSTap)
	s.connectOwn(&s.Live.Clients, &s.Live.Servers)
	if s.Live.Directions.Len() == 0 { // a single bucket keeps them
		s.dirs = [3]*Direction{}
	}
}

// Settle counts the queries that have timed out when the input ends.
func (s *transactionShard) Settle(nowNS int64) { s.waiting.expire(nowNS) }

// lost counts a query that ended without a reply.
func (s *transactionShard) lost(q *asker, why flowtable.Loss) {
	e := s.ends.take(q.ends)
	s.subnets.take(q.subnet)
	switch {
	case q.class&filtered != 0:
	case why == flowtable.Evicted:
		s.direction(q.class.direction()).Evicted.Add(1)
	default:
		s.timedOut(q.class.direction(), e)
	}
}

// timedOut counts a query whose reply did not come in time. Its name counts for the lists of
// clients and domains, which would miss an attack that gets no replies otherwise.
func (s *transactionShard) timedOut(dir decode.Direction, e *end) {
	s.direction(dir).TimedOut.Add(1)
	s.unanswered(e, &s.Live.Clients.Timeouts)
	if e == nil {
		return
	}
	if s.clients != nil {
		s.clients.add(e.client, clientQueries, 0)
	}
	if e.flags&named == 0 {
		return
	}
	if s.pairs != nil {
		s.pairs.add(e.client, e.client.sum(s.Hash), e.key(), e.keyHash(s.Hash), e.hash)
	}
	if l := &s.names.lists[dir]; l.below != nil {
		s.countEndBelow(l, e)
	}
}

// direction returns the metrics of a direction.
func (s *transactionShard) direction(dir decode.Direction) *Direction {
	if s.dirs[dir] == nil {
		s.begin(dir)
	}
	return s.dirs[dir]
}

// begin makes the metrics of a direction.
func (s *transactionShard) begin(dir decode.Direction) {
	s.dirs[dir] = s.Live.Directions.At(dir.String())
	s.connect(dir, &s.dirs[dir].Counts, transactionNames)
}

func (s *transactionShard) message(m *handler.Message) {
	s.Events.Offered++
	passes := s.filter.none && m.DNSTapType == 0 || s.filter.matchTransaction(s.geo, m)
	deep := false
	switch {
	case m.Broken:
		s.Events.Undecodable++
		return
	case !passes:
		s.Events.Filtered++
		if s.Sampler.Last() {
			s.Events.DeepLost++
		}
		if m.DNSTapType != 0 { // their filter uses the common fields of both halves
			return
		}
	default:
		if deep = s.Sampler.Deep(); deep {
			s.Events.Deep++
		}
		if m.DNSTap != nil {
			s.taps.count(&s.Live.DNSTap, m, deep, s.mask)
		}
		if s.Forward != nil && m.DNSTapType == 0 {
			s.Forward.AddDNS(m)
		}
	}
	if m.Response() {
		s.reply(m, passes, deep)
	} else {
		s.query(m, passes, deep)
	}
}

func (s *transactionShard) query(m *handler.Message, passes, deep bool) {
	q, isNew := s.waiting.ask(m)
	if passes && s.content[0] != nil {
		s.contains(m, m.Frame.Dir, deep)
	}
	if !isNew {
		if passes {
			s.direction(q.class.direction()).Retried.Add(1)
		}
		return
	}
	q.class = askerClass(m.Frame.Dir)
	if !passes {
		q.class |= filtered
	}
	s.remember(q, m.Msg)
	if deep && (s.filter.none || s.filter.matchQuestion(m)) {
		q.ends = s.keepEnds(m)
	}
}

// remember stores what to keep of a query's message, which may be nil, in q, which is empty.
func (s *transactionShard) remember(q *asker, msg dnsmsg.Message) {
	if msg == nil {
		return
	}
	q.size = uint32(len(msg))
	if msg.CheckingDisabled() {
		q.class |= disabled
	}
	if s.groups.Has(xactTopECS) {
		if addr := clientSubnet(msg); addr.IsValid() {
			ref, to := s.subnets.next()
			q.subnet, *to = ref, addr
		}
	}
}

// take removes the query of a reply. It returns the query's waiting time in ns, or unknownTime. If
// the query is missing, its direction is the opposite of the reply's.
func (s *transactionShard) take(m *handler.Message) (q asker, took int64, ok bool) {
	q, start, met := s.waiting.answer(m)
	if !met {
		if m.DNSTap != nil {
			msg, _ := dnsmsg.Parse(m.DNSTap.Query)
			s.remember(&q, msg)
		}
		q.class |= askerClass(opposite(m.Frame.Dir))
	}
	if m.DNSTap == nil {
		return q, apart(start, m.TimeNS), met
	}
	took, ok = s.taps.duration(m, start, met, s.waiting.timeout)
	return q, took, ok
}

// reply ends a transaction. The transaction has the query's direction, which is opposite to the
// reply's.
func (s *transactionShard) reply(m *handler.Message, passes, deep bool) {
	q, took, ok := s.take(m)
	e, subnet := s.ends.take(q.ends), s.subnets.take(q.subnet)
	dir := q.class.direction()
	d := s.direction(dir)
	both := passes && q.class&filtered == 0 // the query passed too, if it was seen
	if both && s.content[0] != nil {
		s.contains(m, dir, deep)
	}
	if both && deep && m.TCP {
		s.countTransfer(m, &s.Live.Clients.Transfers)
	}
	switch {
	case ok && passes == (q.class&filtered != 0): // one half passes: the other half filters it
		s.Live.Filtered.Add(1)
		return
	case !passes:
		return
	case !ok:
		d.Orphans.Add(1)
		return
	}
	if took >= s.waiting.timeout {
		s.timedOut(dir, e)
		return
	}
	s.sums[dir].count(m, q.class&disabled != 0, deep)
	if m.DNSTapType != 0 {
		d.countTransport(m)
	}
	if deep {
		if s.clients != nil || s.pairs != nil {
			s.countClient(m)
		}
		if s.own.servers != 0 {
			s.servers.reply(m, took)
		}
		s.countDeep(d, m, q, subnet)
		if took != unknownTime {
			s.countTime(d, m, took/int64(time.Microsecond), s.levels[dir])
		}
	}
}

// countClient counts a transaction by its client.
func (s *transactionShard) countClient(m *handler.Message) {
	client, ok := clientOf(m)
	if !ok {
		return
	}
	if s.clients != nil {
		s.clients.add(client, clientQueries, 0)
		s.clients.reply(client, m)
	}
	if s.pairs != nil && m.Named {
		s.pairs.add(client, client.sum(s.Hash), m.Name.Key(), m.Hash, m.Hash)
	}
}

func opposite(dir decode.Direction) decode.Direction {
	switch dir {
	case decode.ToHost:
		return decode.FromHost
	case decode.FromHost:
		return decode.ToHost
	}
	return dir
}

// countTransport counts the transport of a dnstap message.
func (d *Direction) countTransport(m *handler.Message) {
	switch dnstapmsg.Protocol(m.Packet.DNSTapVia) {
	case dnstapmsg.UDP:
		d.UDP.Add(1)
	case dnstapmsg.TCP:
		d.TCP.Add(1)
	case dnstapmsg.DoT:
		d.DoT.Add(1)
	case dnstapmsg.DoH:
		d.DoH.Add(1)
	case dnstapmsg.DNSCryptUDP:
		d.DNSCryptUDP.Add(1)
	case dnstapmsg.DNSCryptTCP:
		d.DNSCryptTCP.Add(1)
	case dnstapmsg.DoQ:
		d.DoQ.Add(1)
	}
}

// countDeep updates the metrics of sampled transactions, except times. subnet may be nil.
func (s *transactionShard) countDeep(d *Direction, m *handler.Message, q asker, subnet *netip.Addr) {
	if s.groups.Has(xactTopPorts) && m.Client != 0 {
		d.TopPorts.Add(metric.Port(m.Client), 1)
	}
	if s.groups.Has(xactTopSize) {
		d.addRatio(q.size, m.Msg)
	}
	if subnet != nil {
		s.subnet(&d.Counts, *subnet)
	}
	if !m.Named {
		return
	}
	if s.groups.Has(xactTopQTypes) {
		d.TopQTypes.Add(m.Type, 1)
	}
	if s.groups&(xactCardinality|xactTopQNames|xactTopRCodes|xactTopSize) != 0 {
		s.countName(m, q.class.direction(), 0)
	}
}

// countTime counts a transaction of us microseconds. It is slow from slow µs on, if that level is
// set.
func (s *transactionShard) countTime(d *Direction, m *handler.Message, us, slow int64) {
	if !s.groups.Has(xactTimes) {
		return
	}
	d.Time.Add(float64(us))
	d.Hist.Add(uint64(us))
	if slow > 0 && us >= slow && m.Named {
		name, hash := s.mask.nameOf(m)
		d.Slow.Add(hash, name, 1)
	}
}

package dns

import (
	mathbits "math/bits"

	"visor/decode"
	"visor/handler"
	"visor/handler/metric"
)

// NewShard returns the part of h for one worker.
func (h *Handler) NewShard() handler.Shard { return h.NewShards(1)[0] }

// NewShards returns the parts of h for n workers of one pipeline.
func (h *Handler) NewShards(n int) (out []handler.Shard) {
	slow := new(slowness)
	for range n {
		s := &shard{front: h.newFront(messageHosts, messageContent.traffic), slow: slow}
		s.content = newContents(h.Info().Groups, messageContent, s.mask)
		s.waiting = newWaiting(&h.cfg, s.lost)
		s.Deliver = s.complete
		s.connect(0, &s.Live.Counts, messageNames)
		s.connectOwn(&s.Live.Clients, &s.Live.Servers)
		out = append(out, s)
	}
	return out
}

type shard struct {
	front[Metrics]
	waiting waiting[query]
	slow    *slowness
	levels  levels // of the live period
	start   int64  // of the live period, ns
	taps    dnstapKinds
	sum     tally
	content *contents // nil if its groups are off
	queue   queue     // for content and for the counts of clients
}

// complete adds all counts to the metrics.
func (s *shard) complete() {
	s.deliver()
	if s.content != nil {
		s.content.deliver(&s.Live.Content)
	}
}

// Open returns the number of queries that wait for their reply.
func (s *shard) Open() int { return s.waiting.open.Len() }

// Process counts the batch's DNS messages.
func (s *shard) Process(b *handler.Batch) {
	s.levels = s.slow.at(s.start)
	for i := range b.DNS {
		if i%ahead == 0 {
			next := b.DNS[i:min(i+ahead, len(b.DNS))]
			s.names.touch(next)
			s.waiting.touch(next)
		}
		s.message(&b.DNS[i])
	}
	s.countQueue()
	s.flush()
}

// Shift closes the live period. Queries that have timed out by then count in it; pktvisor counts
// them in the next.
func (s *shard) Shift(startNS int64) {
	s.slow.begin(startNS)
	s.slow.report(decode.ToHost, &s.Live.In.Time)
	s.slow.report(decode.FromHost, &s.Live.Out.Time)
	s.start = startNS
	s.waiting.expire(startNS)
	s.Base.Shift(startNS)
	s.connect(0, &s.Live.Counts, messageNames)
	s.taps.shift(&s.Live.DNSTap)
	s.connectOwn(&s.Live.Clients, &s.Live.Servers)
}

// Settle counts the queries that have timed out when the input ends.
func (s *shard) Settle(nowNS int64) { s.waiting.expire(nowNS) }

func (s *shard) message(m *handler.Message) {
	var v judgement
	if !s.filter.none || m.DNSTapType != 0 {
		if v = s.filter.judge(s.geo, m); v.verdict == skip { // not an event, see filter.predicate
			s.Events.Ignored++
			return
		}
	}
	if !s.Events.In(m.TimeNS) {
		s.flush()
		s.Events.Begin(m.TimeNS)
	}
	s.Events.Offered++
	switch {
	case m.Broken:
		s.Events.Undecodable++
	case v.verdict == drop:
		s.Events.Filtered++
		if s.Sampler.Last() {
			s.Events.DeepLost++
		}
	default:
		s.passed(m, v.suffix)
	}
}

// passed counts a message that passed the filters. Its name is cut at suffixLen.
func (s *shard) passed(m *handler.Message, suffixLen int) {
	// as in pktvisor, dnstap messages are not counted further
	if s.Forward != nil && m.DNSTapType == 0 {
		s.Forward.AddDNS(m)
	}
	reply := m.Response()
	s.sum.count(m, reply)
	deep := s.Sampler.Deep()
	if m.DNSTap != nil {
		s.taps.count(&s.Live.DNSTap, m, deep, s.mask)
	}
	if (s.asks || s.content != nil) && s.queue.add(m, deep) {
		s.countQueue()
	}
	if s.groups&(groupTransactions|messageHosts.all()) != 0 {
		s.transaction(m, reply, deep)
	}
	if deep {
		s.Events.Deep++
		s.countDeep(m, reply, suffixLen)
	}
}

// countDeep updates the metrics of sampled messages.
func (s *shard) countDeep(m *handler.Message, reply bool, suffixLen int) {
	b := s.Live
	if s.groups.Has(groupTopPorts) && m.Client != 0 {
		b.TopPorts.Add(metric.Port(m.Client), 1)
	}
	if m.Msg == nil {
		return
	}
	if !reply && s.groups.Has(groupTopECS) {
		s.countECS(m)
	}
	if reply {
		// includes messages without a question, which pktvisor omits
		b.TopRCodes.Add(m.Msg.RCode(), 1)
	}
	if !m.Named {
		return
	}
	b.TopQTypes.Add(m.Type, 1)
	if s.groups&(groupCardinality|groupTopQNames) != 0 {
		s.countName(m, 0, suffixLen)
	}
}

// countQueue counts the messages that wait, for visor's own groups.
func (s *shard) countQueue() {
	q := &s.queue
	if s.content != nil {
		s.content.count(&s.Live.Content, q)
	}
	if s.asks {
		s.countClients(q)
	}
	q.empty()
}

// countClients counts sampled messages by their client. A reply without its message, as dnstap may
// have, does not count as one. Replies come first, since queries and replies are in random order.
// Where dnstap has no queries of a type, each reply stands for its query.
func (s *shard) countClients(q *queue) {
	known, replies, taps := q.clients()
	known &= q.deep
	if s.clients != nil {
		s.clients.touch(q.asking[:q.n])
		for rest := known & replies; rest != 0; rest &= rest - 1 {
			i := mathbits.TrailingZeros64(rest) % together
			m := q.all[i]
			s.clients.reply(q.asking[i], m)
			if m.TCP {
				s.countTransfer(m, &s.Live.Clients.Transfers)
			}
		}
	}
	sources, asked := s.content != nil && s.content.traffic, known&^replies
	for rest := known & replies & taps; rest != 0; rest &= rest - 1 {
		if i := mathbits.TrailingZeros64(rest) % together; !s.taps.asks.Has(q.all[i].DNSTapType) {
			asked |= 1 << i
		}
	}
	for rest := asked; rest != 0; rest &= rest - 1 {
		i := mathbits.TrailingZeros64(rest) % together
		s.countQuery(q.all[i], q.asking[i], sources)
	}
}

// countQuery counts a query by its client, and its source.
func (s *shard) countQuery(m *handler.Message, client address, sources bool) {
	if s.clients != nil {
		s.clients.add(client, clientQueries, 0)
	}
	if !sources && s.pairs == nil {
		return
	}
	hash := client.sum(s.Hash)
	if sources {
		s.content.source(&s.Live.Content.Traffic, m, hash)
	}
	if s.pairs != nil && m.Named {
		s.pairs.add(client, hash, m.Name.Key(), m.Hash, m.Hash)
	}
}

// countECS counts the client subnet of a query.
func (s *shard) countECS(m *handler.Message) {
	if addr := clientSubnet(m.Msg); addr.IsValid() {
		s.subnet(&s.Live.Counts, addr)
	}
}

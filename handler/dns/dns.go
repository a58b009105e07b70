package dns

import (
	"visor/decode/dnsmsg"
	"visor/decode/dnsmsg/suffix"
	"visor/geo"
	"visor/handler"
	"visor/internal/hash64"
)

type shard struct {
	handler.Base[Metrics]
	groups handler.GroupSet
	filter filter
	trans  transactions
	geo    *geo.Cache // nil without databases
	public bool       // names are cut behind their public suffix
	sum    tally
	passed []passed // the batch's messages that passed the filters
	rows   []row    // those of them that go into the lists of names
	text   []byte   // scratch for texts that become keys
}

// passed is a message that passed the filters.
type passed struct {
	*handler.Message
	deep   bool // it is sampled
	suffix int  // where the name is to be cut; 0: behind the last label
}

// row is a message with a name, and the parts of it that are counted.
type row struct {
	*handler.Message
	hash2, hash3 uint64
	two, three   dnsmsg.Name
}

// Process counts the batch's DNS messages. First come the counters, then each list and sketch in a loop of its own: its
// look-ups, many of which miss the first caches, do not wait for each other then.
func (s *shard) Process(b *handler.Batch) {
	s.StartPass()
	s.passed = s.passed[:0]
	for i := range b.DNS {
		s.message(&b.DNS[i])
	}
	s.flush()
	if s.groups.Has(groupTransactions) {
		for i := range s.passed {
			s.transaction(&s.passed[i])
		}
	}
	s.countDeep()
}

// Shift closes the live period. Queries that have waited too long by then are counted in the new one.
func (s *shard) Shift(startNS int64) {
	s.trans.setThresholds(s.Live)
	s.Base.Shift(startNS)
	s.Live.TimedOut.Add(s.trans.expire(startNS))
}

func (s *shard) message(m *handler.Message) {
	v := s.filter.judge(s, m)
	if v.verdict == skip { // see filter.predicate: not even an event
		s.Tally.Offered++
		s.Tally.Filtered++
		return
	}
	if !s.sum.second.Has(m.TimeNS) {
		s.flush()
		s.sum.second = handler.SecondOf(m.TimeNS)
	}
	s.sum.events++
	switch {
	case m.Broken:
		s.sum.broken++
	case v.verdict == drop:
		s.sum.filtered++
		if s.Sampler.Last() {
			s.Live.DeepSamples.Add(1)
		}
	default:
		if s.Pass != nil {
			s.passOn(m)
		}
		s.sum.count(m)
		s.passed = append(s.passed, passed{m, s.Sampler.Deep(), v.suffix})
	}
}

// passOn tells the next handler of the message. A datagram goes on as its frame; a message of a
// stream as a packet of its own, as long as the message.
func (s *shard) passOn(m *handler.Message) {
	p := *m.Frame
	if m.TCP {
		p = *m.Packet
		p.Frame, p.Dir = m.Msg, m.Frame.Dir
	}
	s.Pass.Packets = append(s.Pass.Packets, p)
	s.Pass.DNS = append(s.Pass.DNS, *m)
}

// countDeep updates what only sampled messages do.
func (s *shard) countDeep() {
	b := s.Live
	ports, ecs, names := s.groups.Has(groupTopPorts), s.groups.Has(groupTopECS), s.groups.Has(groupTopQNames)
	cardinality := s.groups.Has(groupCardinality)
	s.rows = s.rows[:0]
	for i := range s.passed {
		m := &s.passed[i]
		if !m.deep {
			s.Tally.NotSampled++
			continue
		}
		s.Tally.Analysed++
		b.DeepSamples.Add(1)
		if ports {
			b.TopPorts.Add(handler.Port(m.Client), 1)
		}
		if ecs && !m.Msg.Response() {
			s.countECS(m.Message)
		}
		if !m.Named {
			continue
		}
		b.TopQTypes.Add(m.Type, 1)
		if m.Msg.Response() {
			b.TopRCodes.Add(m.Msg.RCode(), 1)
		}
		if cardinality && len(m.Name) > 0 {
			b.QName.Add(m.Hash)
		}
		if names {
			s.cut(m)
		}
	}
	s.countNames()
}

// countNames updates the lists of names.
func (s *shard) countNames() {
	b := s.Live
	for i := range s.rows {
		r := &s.rows[i]
		b.TopQName2.Add(r.hash2, r.two, 1)
	}
	for i := range s.rows {
		if r := &s.rows[i]; len(r.three) > 0 {
			b.TopQName3.Add(r.hash3, r.three, 1)
		}
	}
	for i := range s.rows {
		if r := &s.rows[i]; r.Msg.Response() {
			s.countResult(r)
		}
	}
}

// cut adds the row of m.
func (s *shard) cut(m *passed) {
	s.rows = append(s.rows, row{Message: m.Message})
	r := &s.rows[len(s.rows)-1]
	if m.suffix == 0 && !s.public {
		r.two, r.three = m.Question.Cut(m.Name)
	} else {
		r.two, r.three = s.cutSuffix(m)
	}
	r.hash2, r.hash3 = m.hash(r.two), m.hash(r.three)
}

// cutSuffix cuts the name one and two labels before a suffix: one that was asked for, which need not begin where a label
// does, or the public one.
func (s *shard) cutSuffix(m *passed) (two, three dnsmsg.Name) {
	s.text = m.Name.AppendText(s.text[:0])
	if m.suffix == 0 {
		m.suffix = suffix.Len(s.text)
	}
	return m.Name.Aggregate(s.text, m.suffix)
}

// hash returns the hash of part, the end of the message's name.
func (m *passed) hash(part dnsmsg.Name) uint64 {
	switch len(part) {
	case len(m.Name):
		return m.Hash
	case 0:
		return 0
	}
	return hash64.Sum(part)
}

// countResult updates the lists of names by what was answered.
func (s *shard) countResult(r *row) {
	b := s.Live
	details := s.groups.Has(groupTopQNamesDetails)
	switch r.Msg.RCode() {
	case dnsmsg.RCodeNoError:
		if r.Msg.ANCount() == 0 {
			b.TopNoData.Add(r.Hash, r.Name, 1)
		}
		if details {
			b.TopNoError.Add(r.Hash, r.Name, 1)
		}
	case dnsmsg.RCodeNXDomain:
		b.TopNXDomain.Add(r.Hash, r.Name, 1)
	case dnsmsg.RCodeServFail:
		b.TopServFail.Add(r.Hash, r.Name, 1)
	case dnsmsg.RCodeRefused:
		b.TopRefused.Add(r.Hash, r.Name, 1)
	}
	if details {
		b.TopByBytes.Add(r.Hash, r.Name, uint64(len(r.Msg)))
	}
}

// countECS counts the client subnet of a query. The reference finds it only as the first option of the first
// additional record, and reads eight bytes of an IPv6 address; here it is found wherever it is.
func (s *shard) countECS(m *handler.Message) {
	ecs, ok := m.Msg.ClientSubnet()
	if !ok || !ecs.Addr.IsValid() {
		return
	}
	b := s.Live
	b.QueryECS.Add(1)
	s.text = ecs.Addr.AppendTo(s.text[:0])
	b.TopECS.Add(hash64.Sum(s.text), s.text, 1)
	if s.geo == nil {
		return
	}
	if l := s.geo.City(ecs.Addr); l != nil {
		b.TopGeoECS.Add(l.Hash, l.Key, 1)
	}
	if as := s.geo.ASN(ecs.Addr); as != nil {
		b.TopASNECS.Add(as.Hash, as.Key, 1)
	}
}

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
	tapped bool       // transactions of dnstap messages are followed
	public bool       // names are cut behind their public suffix
	sum    tally
	text   []byte // scratch for texts
}

// Process counts the batch's DNS messages.
func (s *shard) Process(b *handler.Batch) {
	s.StartPass()
	for i := range b.DNS {
		s.message(&b.DNS[i])
	}
	s.flush()
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
		s.passed(m, v.suffix)
	}
}

// passed counts a message that passed the filters; suffixLen is where its name is to be cut.
func (s *shard) passed(m *handler.Message, suffixLen int) {
	if s.Pass != nil && m.Tap == 0 { // as in the reference, those of dnstap end here
		s.passOn(m)
	}
	s.sum.count(m)
	deep := s.Sampler.Deep()
	if s.groups.Has(groupTransactions) && (m.Tap == 0 || s.tapped && m.Msg != nil) {
		s.transaction(m, deep)
	}
	if deep {
		s.sum.deep++
		s.countDeep(m, suffixLen)
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
func (s *shard) countDeep(m *handler.Message, suffixLen int) {
	b := s.Live
	if s.groups.Has(groupTopPorts) && m.Client != 0 {
		b.TopPorts.Add(handler.Port(m.Client), 1)
	}
	if m.Msg == nil {
		return
	}
	reply := m.Msg.Response()
	if !reply && s.groups.Has(groupTopECS) {
		s.countECS(m)
	}
	if !m.Named {
		return
	}
	b.TopQTypes.Add(m.Type, 1)
	if reply {
		b.TopRCodes.Add(m.Msg.RCode(), 1)
	}
	if s.groups.Has(groupCardinality) && len(m.Name) > 0 {
		b.QName.Add(m.Hash)
	}
	if s.groups.Has(groupTopQNames) {
		s.countNames(m, suffixLen)
		if reply {
			s.countResult(m)
		}
	}
}

// countNames updates the lists of names.
func (s *shard) countNames(m *handler.Message, suffixLen int) {
	b := s.Live
	two, three := m.Question.Cut(m.Name)
	if suffixLen != 0 || s.public && m.Tap == 0 {
		two, three = s.cut(m, suffixLen)
	}
	b.TopQName2.Add(hashPart(m, two), two, 1)
	if len(three) > 0 {
		b.TopQName3.Add(hashPart(m, three), three, 1)
	}
}

// cut cuts the name one and two labels before a suffix: one that was asked for, which need not begin where a label
// does, or the public one.
func (s *shard) cut(m *handler.Message, suffixLen int) (two, three dnsmsg.Name) {
	s.text = m.Name.AppendText(s.text[:0])
	if suffixLen == 0 {
		suffixLen = suffix.Len(s.text)
	}
	return m.Name.Aggregate(s.text, suffixLen)
}

// hashPart returns the hash of part, the end of the message's name.
func hashPart(m *handler.Message, part dnsmsg.Name) uint64 {
	if len(part) == len(m.Name) {
		return m.Hash
	}
	return hash64.Sum(part)
}

// countResult updates the lists of names by what was answered.
func (s *shard) countResult(m *handler.Message) {
	b := s.Live
	details := s.groups.Has(groupTopQNamesDetails)
	switch m.Msg.RCode() {
	case dnsmsg.RCodeNoError:
		if m.Msg.ANCount() == 0 {
			b.TopNoData.Add(m.Hash, m.Name, 1)
		}
		if details {
			b.TopNoError.Add(m.Hash, m.Name, 1)
		}
	case dnsmsg.RCodeNXDomain:
		b.TopNXDomain.Add(m.Hash, m.Name, 1)
	case dnsmsg.RCodeServFail:
		b.TopServFail.Add(m.Hash, m.Name, 1)
	case dnsmsg.RCodeRefused:
		b.TopRefused.Add(m.Hash, m.Name, 1)
	}
	if details {
		b.TopByBytes.Add(m.Hash, m.Name, uint64(len(m.Msg)))
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

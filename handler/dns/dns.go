package dns

import (
	"visor/decode"
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
	text   []byte     // scratch for texts that become keys
}

// Process counts the batch's DNS messages.
func (s *shard) Process(b *handler.Batch) {
	s.StartPass()
	for i := range b.DNS {
		s.message(&b.DNS[i])
	}
}

// Shift closes the live period. Queries that have waited too long by then are counted in the new one.
func (s *shard) Shift(startNS int64) {
	s.trans.setThresholds(s.Live)
	s.Base.Shift(startNS)
	s.Live.TimedOut.Add(s.trans.expire(startNS))
}

func (s *shard) message(m *handler.Message) {
	s.Tally.Offered++
	v := s.filter.judge(s, m)
	if v.verdict == skip { // see filter.predicate: not even an event
		s.Tally.Filtered++
		return
	}
	sec := m.TimeNS / 1e9
	s.Live.Events.Add(1)
	s.Live.RateEvents.Add(sec, 1)
	switch {
	case m.Broken:
		s.Tally.Undecodable++
	case v.verdict == drop:
		s.Tally.Filtered++
		s.Live.Filtered.Add(1)
		if s.Sampler.Last() {
			s.Live.DeepSamples.Add(1)
		}
	default:
		s.passed(m, sec, v.suffix)
	}
}

// passed counts a message that passed the filters; suffixLen is where its name is to be cut.
func (s *shard) passed(m *handler.Message, sec int64, suffixLen int) {
	if s.Pass != nil {
		s.passOn(m)
	}
	s.Live.RateTotal.Add(sec, 1)
	s.count(m)
	deep := s.Sampler.Deep()
	if s.groups.Has(groupTransactions) {
		s.transaction(m, deep)
	}
	if !deep {
		s.Tally.NotSampled++
		return
	}
	s.Tally.Analysed++
	s.Live.DeepSamples.Add(1)
	s.countDeep(m, suffixLen)
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

// count updates what is exact at every sampling rate.
func (s *shard) count(m *handler.Message) {
	b := s.Live
	b.Total.Add(1)
	if m.TCP {
		b.TCP.Add(1)
	} else {
		b.UDP.Add(1)
	}
	switch {
	case m.Packet.Layers.Has(decode.LayerIPv4):
		b.IPv4.Add(1)
	case m.Packet.Layers.Has(decode.LayerIPv6):
		b.IPv6.Add(1)
	}
	if !m.Msg.Response() {
		b.Queries.Add(1)
		return
	}
	b.Replies.Add(1)
	switch m.Msg.RCode() {
	case dnsmsg.RCodeNoError:
		b.NoError.Add(1)
		if m.Msg.ANCount() == 0 {
			b.NoData.Add(1)
		}
	case dnsmsg.RCodeNXDomain:
		b.NXDomain.Add(1)
	case dnsmsg.RCodeServFail:
		b.ServFail.Add(1)
	case dnsmsg.RCodeRefused:
		b.Refused.Add(1)
	}
}

// countDeep updates what only sampled messages do.
func (s *shard) countDeep(m *handler.Message, suffixLen int) {
	b := s.Live
	if s.groups.Has(groupTopPorts) {
		b.TopPorts.Add(hash64.Uint64(uint64(m.Client)), handler.Port(m.Client), 1)
	}
	reply := m.Msg.Response()
	if !reply && s.groups.Has(groupTopECS) {
		s.countECS(m)
	}
	if !m.Named {
		return
	}
	b.TopQTypes.Add(hash64.Uint64(uint64(m.Type)), m.Type, 1)
	if reply {
		code := m.Msg.RCode()
		b.TopRCodes.Add(hash64.Uint64(uint64(code)), code, 1)
	}
	if s.groups.Has(groupCardinality) && len(m.Name) > 0 {
		b.QName.Add(m.Hash)
	}
	if s.groups.Has(groupTopQNames) {
		s.countNames(m, suffixLen)
	}
}

// countNames updates the lists of names.
func (s *shard) countNames(m *handler.Message, suffixLen int) {
	b := s.Live
	if suffixLen == 0 && s.public {
		suffixLen = suffix.Len(m.Name)
	}
	two, three := dnsmsg.Aggregate(m.Name, suffixLen)
	b.TopQName2.Add(s.hash(m, two), two, 1)
	if len(three) > 0 {
		b.TopQName3.Add(s.hash(m, three), three, 1)
	}
	if !m.Msg.Response() {
		return
	}
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

// hash returns the hash of part, which is a part of the message's name.
func (s *shard) hash(m *handler.Message, part []byte) uint64 {
	if len(part) == len(m.Name) {
		return m.Hash
	}
	return hash64.Sum(part)
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

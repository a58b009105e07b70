package dns

import (
	"math"

	"visor/decode"
	"visor/decode/dnsmsg"
	"visor/handler"
	"visor/handler/metric"
	"visor/sketch"
	"visor/sketch/hash64"
)

// nameCounts counts messages by name before they are added to the lists. Most names come again
// soon: a reply has its query's name, and few names make most of the traffic. Such a message needs
// one probe and one comparison, not one in each list and a hash for each part of its name. Of a
// resolver's messages, 77 per cent find their name, and of its transactions 58. With half the slots
// they are 74 and 52: no slower for messages, and 4 per cent more instructions for transactions.
//
// Another name takes a slot from its owner, whose counts then leave for the lists. They leave in
// batches, see [sketch.TopNames.AddAll]. Lists accept weights, so their bounds stay the same.
// Names that never come again, as in an attack, cost a fifth more than without a nameCounts: 50 ns.
type nameCounts struct {
	slots   [1 << slotBits]nameCount // 512 KiB
	used    usedSlots
	leaving [together]leavingName
	n       int      // names in leaving
	lists   [3]lists // by decode.Direction
	touched uint64   // see touch
}

const (
	nameRoom = 96 // for a name with its final zero; longer ones leave at once
	noPart   = math.MaxUint8
	ahead    = 64 // messages whose slots are loaded together
	together = 64 // names that leave together
)

// nameCount is a slot. A name of up to 31 bytes lies in its first cache line.
type nameCount struct {
	counts
	name [nameRoom]byte
}

// leavingName holds counts on their way to the lists.
type leavingName struct {
	counts
	full uint64 // hash of the whole name, even if lists show another
	name [256]byte
}

// counts are the counts of one name.
type counts struct {
	hash     uint64
	bytes    uint64 // of replies
	messages [outcomes]uint16
	length   uint8 // of the name, without the final zero
	class    nameClass
	two      uint8 // where the last two labels begin
	three    uint8 // where the last three labels begin; noPart without
}

// nameClass separates counts of the same name: a decode.Direction, plus 4 for dnstap messages,
// whose names are cut differently.
type nameClass uint8

func classOf(m *handler.Message, dir decode.Direction) nameClass {
	if m.DNSTapType != 0 {
		return nameClass(dir) | 4
	}
	return nameClass(dir)
}

func (c nameClass) direction() decode.Direction { return decode.Direction(c & 3) }

// outcome is what lists of names distinguish.
type outcome uint8

const (
	otherOutcome outcome = iota // a query, or a reply with another code
	answered                    // NOERROR with records
	noData
	nxDomain
	servFail
	refused
	outcomes
)

// outcomeOf holds the outcomes of replies by code.
var outcomeOf = [16]outcome{
	dnsmsg.RCodeNoError:  answered,
	dnsmsg.RCodeNXDomain: nxDomain,
	dnsmsg.RCodeServFail: servFail,
	dnsmsg.RCodeRefused:  refused,
}

// touch loads the slots of the next messages. In such a short loop the misses overlap: 3 per cent
// of a packet's time.
func (t *nameCounts) touch(next []handler.Message) {
	sum := uint64(0)
	for i := range next {
		sum += t.slots[slotOf(&next[i])].hash
	}
	t.touched = sum // else the compiler would remove the loop
}

// slotOf returns the slot for the name of m, which may hold another name. The same file always
// yields the same answer: the slot depends on the hash alone.
func slotOf(m *handler.Message) uint64 { return m.Hash >> (64 - slotBits) }

// countName counts m by its name, which is cut at suffixLen.
func (s *front[M]) countName(m *handler.Message, dir decode.Direction, suffixLen int) {
	class := classOf(m, dir)
	slot := slotOf(m)
	c := &s.names.slots[slot]
	if !c.is(m, class) {
		if len(m.Name.Key()) >= nameRoom {
			s.countLong(m, class, suffixLen)
			return
		}
		s.leave(&c.counts, c.name[:])
		s.names.used.set(slot)
		c.counts = newCounts(m, class, s.parts(m, suffixLen))
		c.name[copy(c.name[:], m.Name.Key())] = 0
	}
	if c.add(m) {
		s.leave(&c.counts, c.name[:])
	}
}

// is reports whether c counts the name of m.
func (c *nameCount) is(m *handler.Message, class nameClass) bool {
	name := m.Name.Key()
	return c.hash == m.Hash && c.class == class && int(c.length) == len(name) && string(c.name[:len(name)]) == string(name)
}

// add counts m. It returns true if c must leave before the next message.
func (c *counts) add(m *handler.Message) (full bool) {
	o := otherOutcome
	if m.Msg.Response() {
		o = outcomeOf[m.Msg.RCode()&15]
		if o == answered && m.Msg.ANCount() == 0 {
			o = noData
		}
		c.bytes += uint64(len(m.Msg))
	}
	c.messages[o]++
	return c.messages[o] == math.MaxUint16
}

// countLong is countName for a name that is too long for a slot.
func (s *front[M]) countLong(m *handler.Message, class nameClass, suffixLen int) {
	c := newCounts(m, class, s.parts(m, suffixLen))
	c.add(m)
	s.text = append(append(s.text[:0], m.Name.Key()...), 0)
	s.leave(&c, s.text)
}

func newCounts(m *handler.Message, class nameClass, p parts) counts {
	name := m.Name.Key()
	c := counts{hash: m.Hash, length: uint8(len(name)), class: class, two: begin(name, p.two), three: noPart}
	if !p.three.IsRoot() {
		c.three = begin(name, p.three)
	}
	return c
}

// begin returns where a part of a name begins. Unlike the name, a part includes the final zero.
func begin(name []byte, part dnsmsg.Name) uint8 {
	if len(part.Key()) == len(name) {
		return 0
	}
	return uint8(len(name) + 1 - len(part.Key()))
}

// leave sends the counts of c to the lists and sets them to 0. name is c's name with its final
// zero.
func (s *front[M]) leave(c *counts, name []byte) {
	if c.messages == [outcomes]uint16{} {
		return
	}
	t := s.names
	l := &t.leaving[t.n]
	l.counts, l.full = *c, c.hash
	copy(l.name[:], name[:c.length+1])
	c.bytes, c.messages = 0, [outcomes]uint16{}
	if t.n++; t.n == len(t.leaving) {
		s.arrive()
	}
}

// arrive adds the counts on their way to the lists, one list after the other.
func (s *front[M]) arrive() {
	t := s.names
	for i := range t.leaving[:t.n] {
		c := &t.leaving[i]
		if s.mask.by != nil {
			s.mask.leaving(c)
		}
		t.lists[c.class.direction()].take(c, s.Hash)
	}
	for i := range t.lists {
		t.lists[i].add()
	}
	for i := range t.leaving[:t.n] {
		c := &t.leaving[i]
		if l := &t.lists[c.class.direction()]; l.below != nil {
			l.countBelow(c, s.Hash)
		}
	}
	t.n = 0
}

// deliver adds all counts to the lists.
func (s *front[M]) deliver() {
	for i := range s.names.used.all {
		c := &s.names.slots[i]
		s.leave(&c.counts, c.name[:])
	}
	s.arrive()
	if s.clients != nil {
		s.clients.deliver()
	}
	s.servers.deliver()
}

// lists are the metrics that count the names of one direction.
type lists struct {
	distinct *sketch.Cardinality      // nil if it is off
	below    *metric.TopDistinctNames // nil if it is off
	failed   *metric.TopDistinctNames
	tops     [listKinds]struct {
		list *metric.TopDomains         // nil if it is off
		next [together]sketch.NameCount // to be added
		n    int
	}
}

// listKind is what a list counts.
type listKind uint8

const (
	twoLabels listKind = iota
	threeLabels
	replyBytes
	noErrors
	byOutcome // the first of the lists by outcome
	noDatas   = byOutcome + listKind(noData)
	nxDomains = byOutcome + listKind(nxDomain)
	servFails = byOutcome + listKind(servFail)
	refusals  = byOutcome + listKind(refused)
	listKinds = byOutcome + listKind(outcomes)
)

// nameGroups are the metric groups of the lists of names in [Counts], in one version.
type nameGroups struct{ distinct, parts, results, details, bytes, domains metric.GroupSet }

// connect makes the lists of c count the names of a direction.
func (s *front[M]) connect(dir decode.Direction, c *Counts, g nameGroups) {
	l := &s.names.lists[dir]
	if s.groups.Has(g.distinct) {
		l.distinct = &c.QName
	}
	on := func(group metric.GroupSet, kind listKind, list *metric.TopDomains) {
		if s.groups.Has(group) {
			l.tops[kind].list = list
		}
	}
	l.below, l.failed = nil, nil
	if s.groups.Has(g.domains) {
		l.below, l.failed = &c.Names, &c.Failed
	}
	on(g.parts, twoLabels, &c.TopQName2)
	on(g.parts, threeLabels, &c.TopQName3)
	on(g.results, noDatas, &c.TopNoData)
	on(g.results, nxDomains, &c.TopNXDomain)
	on(g.results, servFails, &c.TopServFail)
	on(g.results, refusals, &c.TopRefused)
	on(g.details, noErrors, &c.TopNoError)
	on(g.bytes, replyBytes, &c.TopBytes)
}

// take notes the counts of c for all lists.
func (l *lists) take(c *leavingName, h *hash64.Hasher) {
	if l.distinct != nil && c.length > 0 {
		l.distinct.Add(c.full)
	}
	all := uint64(0)
	for o, n := range c.messages {
		all += uint64(n)
		if n > 0 {
			l.note(byOutcome+listKind(o), c.hash, c.name[:c.length], uint64(n))
		}
	}
	if n := uint64(c.messages[answered]) + uint64(c.messages[noData]); n > 0 {
		l.note(noErrors, c.hash, c.name[:c.length], n)
	}
	if c.bytes > 0 {
		l.note(replyBytes, c.hash, c.name[:c.length], c.bytes)
	}
	if l.tops[twoLabels].list == nil {
		return
	}
	l.notePart(twoLabels, c, c.two, all, h)
	if c.three != noPart {
		l.notePart(threeLabels, c, c.three, all, h)
	}
}

// notePart notes n messages for the part of c's name that begins at offset at.
func (l *lists) notePart(kind listKind, c *leavingName, at uint8, n uint64, h *hash64.Hasher) {
	if at == 0 {
		l.note(kind, c.hash, c.name[:c.length], n)
		return
	}
	part := c.name[at : c.length+1]
	l.note(kind, h.Sum(part), part, n)
}

// countBelow counts c's name as one of the distinct names below its domain, if below is on.
func (l *lists) countBelow(c *leavingName, h *hash64.Hasher) {
	at := domainAt(c.name[:c.length], c.two, c.three)
	if at == 0 {
		return
	}
	domain := c.name[at:c.length]
	hash := h.Sum(domain)
	l.below.Add(hash, domain, c.full, c.name[:c.length], int(at))
	if c.messages[nxDomain]|c.messages[servFail]|c.messages[refused] != 0 {
		l.failed.Add(hash, domain, c.full, c.name[:c.length], int(at))
	}
}

// countEndBelow is countBelow for the name of a query without a reply. Of a long name, the bytes
// that were not kept do not count.
func (s *front[M]) countEndBelow(l *lists, e *end) {
	wire, _ := s.mask.name(e.key(), e.hash)
	if e.flags&cut == 0 {
		wire = wire[:len(wire)+1] // a final zero is behind the key
	}
	whole := dnsmsg.NameFromWire(wire)
	p := parts{whole.Last(2), whole.Last(3)}
	if s.public && e.flags&tapped == 0 {
		p.two, p.three = s.cut(whole, 0)
	}
	name := whole.Key()
	if at := domainAt(name, begin(name, p.two), begin(name, p.three)); at > 0 {
		domain := name[at:]
		l.below.Add(s.Hash.Sum(domain), domain, e.hash, name, int(at))
	}
}

// domainAt returns where the domain of a name begins, from where its last two and three labels do.
// It is 0 if the name is a domain.
func domainAt(name []byte, two, three uint8) uint8 {
	if three != noPart && two > 0 && sharedSuffix(name[two:]) {
		return three
	}
	return two
}

// sharedSuffix reports whether a name of two labels looks like a suffix that many owners share,
// such as co.uk and com.br: a short label below a country.
func sharedSuffix(name []byte) bool {
	first := int(name[0])
	return len(name) > first+1 && name[first+1] == 2 && first <= 3
}

func (l *lists) note(kind listKind, hash uint64, name []byte, n uint64) {
	if t := &l.tops[kind]; t.list != nil {
		t.next[t.n%together] = sketch.NameCount{Hash: hash, Name: name, Count: n}
		t.n++
	}
}

// add adds what was noted.
func (l *lists) add() {
	for i := range l.tops {
		if t := &l.tops[i]; t.n > 0 {
			t.list.AddAll(t.next[:t.n])
			t.n = 0
		}
	}
}

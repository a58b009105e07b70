package dns

import (
	"math/bits"
	"net/netip"

	"visor/decode"
	"visor/decode/dnsmsg"
	"visor/handler"
	"visor/handler/metric"
	"visor/sketch/hash64"
)

// contentGroups are the bits of the groups of Content, in one version.
type contentGroups struct{ edns, messages, traffic metric.GroupSet }

// contents counts what the messages of one direction contain, before that is added to the metrics.
// An increment in a few kilobytes takes a nanosecond; a counter for each bit would take several.
type contents struct {
	edns, messages, traffic bool // groups that are on
	mask                    *mask

	first  [256]uint64    // messages by the third byte of the header: QR, opcode, AA, TC, RD
	second [2][256]uint64 // queries and replies by the next byte: RA, AD, CD, RCODE
	// names of queries and of replies, without the final zero
	lengths [2][maxLengths]uint64
	labels  [2][maxLabels]uint64 // of the same names
	// first questions by class, and sizes; the last of each is not in use
	classes  [maxClass + 1]uint64
	sizes    [sizeKinds][shortBins + 1]uint64
	rcodes   [16]uint64            // of replies, by the header's bits
	withOPT  [4]uint64             // messages with EDNS: 1 for DO, plus 2 for replies
	options  [2][optionSets]uint64 // queries and replies with EDNS by their options
	versions uint64                // messages of another version of EDNS than 0
	// hashes of sources that were counted since the last delivery
	recent [1 << recentBits]uint64
}

const recentBits = 10 // log2 of the sources: 8 KiB

// Bits of the third and fourth byte of a header.
const (
	bitRD = 1
	bitTC = 2
	bitAA = 4
	bitQR = 0x80

	bitCD = 0x10
	bitAD = 0x20
)

// The bits of an index of sizes.
const (
	sizeKinds = 1 << 3
	sizeReply = 1
	sizeIPv6  = 2
	sizeTCP   = 4

	shortBins = 256 // of 16 bytes each; messages are rarely longer

	maxLengths = 256
	maxLabels  = 128
	maxClass   = 256 // greater classes are rare
)

// optionSets is the number of sets of options that a message may have.
const optionSets = 2 * int(dnsmsg.HasExtendedError)

func newContents(groups metric.GroupSet, g contentGroups, mask *mask) *contents {
	s := contents{mask: mask, edns: groups.Has(g.edns), messages: groups.Has(g.messages), traffic: groups.Has(g.traffic)}
	if !s.edns && !s.messages && !s.traffic {
		return nil
	}
	return &s
}

// count counts messages. Lists of to count those that are deep. The loop avoids branches on what
// comes in random order, such as queries and replies, and leaves the rest to countMore.
func (s *contents) count(to *Content, q *queue) {
	rare, more := uint64(0), uint64(0) // messages for countRare and countMore
	for i, m := range q.messages() {
		if m.Msg == nil {
			continue
		}
		header := (*[dnsmsg.HeaderLen]byte)(m.Msg)
		reply := header[2] >> 7
		s.first[header[2]]++
		s.second[reply][header[3]]++
		if m.Named {
			s.lengths[reply][len(m.Name.Key())%maxLengths]++
			s.labels[reply][m.Labels()%maxLabels]++
			s.classes[min(m.Class, maxClass)]++
		}
		size := sizeOf(m)
		if overIP(m) {
			s.sizes[kindOf(m, reply)%sizeKinds][min(size/metric.SizeBin, shortBins)]++
			s.rcodes[header[3]&15] += uint64(reply)
		}
		if size >= shortBins*metric.SizeBin || m.Class >= maxClass {
			rare |= 1 << i
		}
		if header[10]|header[11] == 0 {
			continue
		}
		if !m.Named {
			more |= 1 << i
			continue
		}
		o := m.Msg.LastOPT(m.End)
		if o == nil || o[4]|o[5] != 0 { // options, a greater code, or another version
			more |= 1 << i
			continue
		}
		s.withOPT[reply<<1|o[6]>>7]++
		if reply == 0 && s.edns && q.deep>>i&1 != 0 {
			to.EDNS.TopUDPSize.Add(UDPSize(o.UDPSize()), 1)
		}
	}
	for ; rare != 0; rare &= rare - 1 {
		s.countRare(to, q.all[bits.TrailingZeros64(rare)])
	}
	for ; more != 0; more &= more - 1 {
		i := bits.TrailingZeros64(more)
		s.countMore(to, q.all[i], q.deep>>i&1 != 0)
	}
}

// overIP reports whether the addresses of m and its transport are known. They are not if they are
// missing in a dnstap message.
func overIP(m *handler.Message) bool {
	l := m.Packet.Layers
	return l.Has(decode.LayerIP) && (m.TCP || l.Has(decode.LayerUDP))
}

// sizeOf returns the length of a message on the wire.
func sizeOf(m *handler.Message) uint {
	if m.TCP {
		return uint(len(m.Msg))
	}
	return uint(len(m.Msg)) + uint(m.Packet.Cut)
}

// kindOf returns the index of a message's sizes.
func kindOf(m *handler.Message, reply byte) (kind int) {
	if m.TCP {
		kind = sizeTCP
	}
	if m.Packet.Layers.Has(decode.LayerIPv6) {
		kind |= sizeIPv6
	}
	return kind | int(reply)*sizeReply
}

// countRare counts what few messages have: a length of kilobytes, a class that is not in the table.
func (s *contents) countRare(to *Content, m *handler.Message) {
	if m.Named && m.Class >= maxClass && s.messages {
		to.Bits.TopClasses.Add(dnsmsg.Class(m.Class), 1)
	}
	if size := sizeOf(m); size >= shortBins*metric.SizeBin && s.traffic && overIP(m) {
		to.Traffic.add(kindOf(m, m.Msg[2]>>7), int(size), 1)
	}
}

// countMore counts an OPT record that is not at the end of its message or has more than a size.
func (s *contents) countMore(to *Content, m *handler.Message, deep bool) {
	end := 0
	if m.Named {
		end = m.End
	}
	o := m.Msg.OPTBehind(end)
	if o == nil {
		return
	}
	reply := m.Msg[2] >> 7
	if o[4] != 0 && s.traffic && reply != 0 && overIP(m) {
		s.rcodes[m.Msg.RCode()&15]--
		to.Traffic.RCodes.Add(o.RCode(m.Msg.RCode()), 1)
	}
	if s.edns {
		s.countEDNS(to, m, o, reply, deep)
	}
}

// countEDNS counts an OPT record.
func (s *contents) countEDNS(to *Content, m *handler.Message, o dnsmsg.OPT, reply byte, deep bool) {
	at := reply << 1
	if o.DO() {
		at |= 1
	}
	s.withOPT[at%4]++
	if o.Version() != 0 {
		s.versions++
	}
	set := o.OptionSet()
	s.options[reply&1][set%dnsmsg.OptionSet(optionSets)]++
	if !deep {
		return
	}
	if reply == 0 {
		to.EDNS.TopUDPSize.Add(UDPSize(o.UDPSize()), 1)
	} else if set&dnsmsg.HasExtendedError != 0 {
		s.countErrors(&to.EDNS, m, o.EDNS(m.Msg))
	}
}

// errorsKept is the number of extended errors whose names are listed separately. So a sender of
// replies with many errors cannot make more lists.
const errorsKept = 8

// countErrors counts the extended errors of a reply, and its name behind each.
func (s *contents) countErrors(to *EDNSCounts, m *handler.Message, e dnsmsg.EDNS) {
	for o := e.Options(); o.Next(); {
		code, ok := o.ExtendedError()
		if !ok {
			continue
		}
		to.TopEDE.Add(code, 1)
		if m.Named {
			name, hash := s.mask.nameOf(m)
			to.failed(code).Names.Add(hash, name, 1)
		}
	}
}

// failed returns the names behind an extended error.
func (c *EDNSCounts) failed(code dnsmsg.ExtendedError) *Failed {
	if code.Registered() {
		name := code.String()
		if f := c.EDE.Find(name); f != nil {
			return f
		}
		if c.EDE.Len() < errorsKept {
			return c.EDE.At(name)
		}
	}
	return c.EDE.At("other")
}

// source counts the source of a query: its client, which has a hash.
func (s *contents) source(c *TrafficCounts, m *handler.Message, hash uint64) {
	if s.isNew(hash) && m.Msg != nil && overIP(m) {
		c.source(m.Packet.Src.Addr(), s.mask.hash)
	}
}

// source counts a source. It has the same hash as in other counts of addresses.
func (c *TrafficCounts) source(addr netip.Addr, h *hash64.Hasher) {
	if addr.Is4() {
		c.IPv4.Add(h.IPv4(addr.As4()))
		return
	}
	a := addr.As16()
	c.IPv6.Add(h.IPv6(a))
	clear(a[8:])
	c.IPv6by.Add(h.IPv6(a))
}

// isNew reports whether a source may be new. Most sources send more queries soon, which then need
// no distinct count.
func (s *contents) isNew(hash uint64) bool {
	slot := &s.recent[hash>>(64-recentBits)]
	if *slot == hash {
		return false
	}
	*slot = hash
	return true
}

// add adds n messages of a kind and size.
func (c *TrafficCounts) add(kind, size int, n uint64) {
	v := &c.UDP
	if kind&sizeTCP != 0 {
		v = &c.TCP
	}
	switch kind & (sizeReply | sizeIPv6) {
	case 0:
		v.QueriesIPv4.Add(n)
	case sizeIPv6:
		v.QueriesIPv6.Add(n)
	case sizeReply:
		v.RepliesIPv4.Add(n)
	default:
		v.RepliesIPv6.Add(n)
	}
	if kind&sizeReply != 0 {
		v.ReplySizes.Add(size, n)
	} else {
		v.QuerySizes.Add(size, n)
	}
}

// deliver adds the counts of the groups that are on to the metrics and sets them to 0.
func (s *contents) deliver(to *Content) {
	if s.messages {
		to.Bits.deliver(s)
	}
	if s.edns {
		to.EDNS.deliver(s)
	}
	if s.traffic {
		to.Traffic.deliver(s)
	}
	*s = contents{mask: s.mask, edns: s.edns, messages: s.messages, traffic: s.traffic}
}

func (c *TrafficCounts) deliver(s *contents) {
	for kind := range s.sizes {
		for bin, n := range s.sizes[kind][:shortBins] {
			if n > 0 {
				c.add(kind, bin*metric.SizeBin, n)
			}
		}
	}
	addAll(&c.RCodes, s.rcodes[:])
}

func (c *HeaderCounts) deliver(s *contents) {
	for at, n := range s.first {
		if n > 0 {
			c.addFirst(at, n)
		}
	}
	for at := range s.second[0] {
		if at&bitCD != 0 {
			c.CD.Add(s.second[0][at])
		}
		if at&bitAD != 0 {
			c.AD.Add(s.second[1][at])
		}
	}
	addAll(&c.TopClasses, s.classes[:maxClass])
	for length, n := range s.lengths[0] {
		if n > 0 {
			c.Bytes.Add(length+1, n) // with the final zero
		}
	}
	for labels, n := range s.labels[0] {
		if n > 0 {
			c.Labels.Add(labels, n)
		}
	}
}

// addFirst adds n messages with the same third byte of the header.
func (c *HeaderCounts) addFirst(at int, n uint64) {
	c.TopOpcodes.Add(dnsmsg.Opcode(at>>3&15), n)
	if at&bitQR == 0 {
		if at&bitRD != 0 {
			c.RD.Add(n)
		}
		return
	}
	if at&bitTC != 0 {
		c.TC.Add(n)
	}
	if at&bitAA != 0 {
		c.AA.Add(n)
	}
}

func (c *EDNSCounts) deliver(s *contents) {
	c.Queries.Add(s.withOPT[0] + s.withOPT[1])
	c.Replies.Add(s.withOPT[2] + s.withOPT[3])
	c.DO.Add(s.withOPT[1])
	c.Versions.Add(s.versions)
	for at, n := range s.options[0] {
		set := dnsmsg.OptionSet(at)
		if set&dnsmsg.HasCookie != 0 {
			c.Cookies.Add(n)
		}
		if set&dnsmsg.HasNSID != 0 {
			c.NSID.Add(n)
		}
		if set&dnsmsg.HasClientSubnet != 0 {
			c.Subnets.Add(n)
		}
	}
}

// addAll adds the counts of numbers to a list.
func addAll[K metric.Code](list *metric.TopNumbers[K], counts []uint64) {
	for key, n := range counts {
		if n > 0 {
			list.Add(K(key), n)
		}
	}
}

package dns

import (
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

	bits    [bitKinds]uint64
	lengths [2][256]uint64 // of names of queries and of replies, without the final zero
	labels  [2][128]uint64 // of names of queries and of replies
	opcodes [16]uint64
	in      uint64 // questions of class IN
	sizes   [sizeKinds][shortBins]uint64
	rcodes  [2][plainCodes]uint64 // of queries and of replies
	withOPT [4]uint64             // messages with EDNS: 1 for DO, plus 2 for replies
	offers  [offers]uint64        // of EDNS
	// hashes of sources that were counted since the last delivery
	recent [1 << recentBits]uint64
}

const recentBits = 10 // log2 of the sources: 8 KiB

// The bits of an index of header bits: AA, TC and RD as in the header, then CD and AD, then QR.
const (
	bitKinds = 1 << 6
	bitRD    = 1
	bitTC    = 2
	bitAA    = 4
	bitCD    = 8
	bitAD    = 16
	bitReply = 32
)

// The bits of an index of sizes.
const (
	sizeKinds = 1 << 3
	sizeReply = 1
	sizeIPv6  = 2
	sizeTCP   = 4

	shortBins  = 256 // of 16 bytes each; messages are rarely longer
	plainCodes = 32  // greater codes are rare
)

// The indexes of counts of EDNS.
const (
	ednsCookies = iota
	ednsNSID
	ednsSubnets
	ednsVersions
	offers
)

func newContents(groups metric.GroupSet, g contentGroups, mask *mask) *contents {
	s := contents{mask: mask, edns: groups.Has(g.edns), messages: groups.Has(g.messages), traffic: groups.Has(g.traffic)}
	if !s.edns && !s.messages && !s.traffic {
		return nil
	}
	return &s
}

// count counts a message. Lists and distinct counts of to count it if deep.
func (s *contents) count(to *Content, m *handler.Message, deep bool, h *hash64.Hasher) {
	msg := m.Msg
	if msg == nil {
		return
	}
	reply := int(msg[2] >> 7)
	if s.messages {
		s.countBits(to, m, reply)
	}
	code := msg.RCode()
	if (s.edns || s.traffic) && msg.ARCount() > 0 {
		end := 0
		if m.Named {
			end = m.End
		}
		if o := msg.OPTBehind(end); o != nil {
			code = o.RCode(code)
			if s.edns {
				s.countEDNS(to, m, o, reply, deep)
			}
		}
	}
	if s.traffic {
		s.countTraffic(to, m, reply, code, deep, h)
	}
}

// countBits counts the header and the question. It avoids branches where queries and replies come
// in random order: reply is 1 for replies.
func (s *contents) countBits(to *Content, m *handler.Message, reply int) {
	msg := m.Msg
	s.bits[(int(msg[2]&(bitRD|bitTC|bitAA)|msg[3]&0x30>>1)|reply*bitReply)&(bitKinds-1)]++
	s.opcodes[msg.Opcode()&15]++
	if !m.Named {
		return
	}
	if m.Class == uint16(dnsmsg.ClassIN) {
		s.in++
	} else {
		to.Bits.TopClasses.Add(dnsmsg.Class(m.Class), 1)
	}
	s.lengths[reply&1][len(m.Name.Key())&255]++
	s.labels[reply&1][m.Labels()&127]++
}

// countEDNS counts an OPT record.
func (s *contents) countEDNS(to *Content, m *handler.Message, o dnsmsg.OPT, reply int, deep bool) {
	at := reply << 1
	if o.DO() {
		at |= 1
	}
	s.withOPT[at&3]++
	if o.Version() != 0 {
		s.offers[ednsVersions]++
	}
	set := o.OptionSet()
	if reply == 0 {
		if deep {
			to.EDNS.TopUDPSize.Add(UDPSize(o.UDPSize()), 1)
		}
		if set != 0 {
			s.countOptions(set)
		}
	} else if deep && set&dnsmsg.HasExtendedError != 0 {
		s.countErrors(&to.EDNS, m, o.EDNS(m.Msg))
	}
}

// countOptions counts the options of a query.
func (s *contents) countOptions(set dnsmsg.OptionSet) {
	if set&dnsmsg.HasCookie != 0 {
		s.offers[ednsCookies]++
	}
	if set&dnsmsg.HasNSID != 0 {
		s.offers[ednsNSID]++
	}
	if set&dnsmsg.HasClientSubnet != 0 {
		s.offers[ednsSubnets]++
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

// countTraffic counts the size, the response code and the source.
func (s *contents) countTraffic(to *Content, m *handler.Message, reply int, code dnsmsg.RCode, deep bool, h *hash64.Hasher) {
	layers := m.Packet.Layers
	if !layers.Has(decode.LayerIP) || !m.TCP && !layers.Has(decode.LayerUDP) {
		return
	}
	kind, size := reply*sizeReply, len(m.Msg)
	if m.TCP {
		kind |= sizeTCP
	} else {
		size += int(m.Packet.Cut)
	}
	if layers.Has(decode.LayerIPv6) {
		kind |= sizeIPv6
	}
	if bin := size / metric.SizeBin; bin < shortBins {
		s.sizes[kind&(sizeKinds-1)][bin]++
	} else {
		to.Traffic.add(kind, size, 1)
	}
	if int(code) < plainCodes {
		s.rcodes[reply&1][code]++
	} else if reply != 0 {
		to.Traffic.RCodes.Add(code, 1)
	}
	if reply == 0 && deep {
		s.source(&to.Traffic, m, h)
	}
}

// source counts the source of a query.
func (s *contents) source(c *TrafficCounts, m *handler.Message, h *hash64.Hasher) {
	addr := m.Packet.Src.Addr()
	if addr.Is4() {
		hash := h.IPv4(addr.As4())
		if s.isNew(hash) {
			c.IPv4.Add(hash)
		}
		return
	}
	a := addr.As16()
	hash := h.IPv6(a)
	if !addr.IsValid() || !s.isNew(hash) {
		return
	}
	c.IPv6.Add(hash)
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

// deliver adds the counts to the metrics and sets them to 0.
func (s *contents) deliver(to *Content) {
	to.Bits.deliver(s)
	to.EDNS.deliver(s)
	for kind := range s.sizes {
		for bin, n := range s.sizes[kind] {
			if n > 0 {
				to.Traffic.add(kind, bin*metric.SizeBin, n)
			}
		}
	}
	addAll(&to.Traffic.RCodes, s.rcodes[1][:])
	*s = contents{mask: s.mask, edns: s.edns, messages: s.messages, traffic: s.traffic}
}

func (c *HeaderCounts) deliver(s *contents) {
	for at, n := range s.bits {
		c.addBits(at, n)
	}
	addAll(&c.TopOpcodes, s.opcodes[:])
	if s.in > 0 {
		c.TopClasses.Add(dnsmsg.ClassIN, s.in)
	}
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

// addBits adds n messages with the same header bits.
func (c *HeaderCounts) addBits(at int, n uint64) {
	reply := at&bitReply != 0
	on := func(bit int, of bool, to interface{ Add(uint64) }) {
		if at&bit != 0 && of {
			to.Add(n)
		}
	}
	on(bitTC, reply, &c.TC)
	on(bitAA, reply, &c.AA)
	on(bitAD, reply, &c.AD)
	on(bitCD, !reply, &c.CD)
	on(bitRD, !reply, &c.RD)
}

func (c *EDNSCounts) deliver(s *contents) {
	c.Queries.Add(s.withOPT[0] + s.withOPT[1])
	c.Replies.Add(s.withOPT[2] + s.withOPT[3])
	c.DO.Add(s.withOPT[1])
	c.Cookies.Add(s.offers[ednsCookies])
	c.NSID.Add(s.offers[ednsNSID])
	c.Subnets.Add(s.offers[ednsSubnets])
	c.Versions.Add(s.offers[ednsVersions])
}

// addAll adds the counts of numbers to a list.
func addAll[K metric.Code](list *metric.TopNumbers[K], counts []uint64) {
	for key, n := range counts {
		if n > 0 {
			list.Add(K(key), n)
		}
	}
}

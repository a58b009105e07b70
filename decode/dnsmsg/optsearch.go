package dnsmsg

// EDNSBehind is [Message.EDNS] for a message whose question was read: it continues at q.End. So a
// handler that has the question does not read the name again.
//
// Most messages end with an OPT record without options. It is recognized by its eleven bytes, which
// saves the walk over the other records. Only a message made for that purpose ends with such bytes
// in another record.
func (m Message) EDNSBehind(q Question) (EDNS, bool) {
	if m.ARCount() == 0 {
		return EDNS{}, false
	}
	if at := len(m) - optLen; at >= q.End && be32(m[at:])>>8 == uint32(TypeOPT) && be16(m[at+optLen-2:]) == 0 {
		return m.opt(m[at+1:]), true
	}
	if m.QDCount() != 1 {
		return m.EDNS()
	}
	return m.ednsAt(q.End)
}

// optLen is the length of an OPT record without options.
const optLen = 11

// ednsAt returns the first OPT record in the additional section. The records begin at offset at.
// The work is bounded by the bytes of the message: each record takes eleven.
func (m Message) ednsAt(at int) (EDNS, bool) {
	others := int(m.ANCount()) + int(m.NSCount())
	for i := range others + int(m.ARCount()) {
		switch { // the most frequent owners need no walk
		case at >= len(m):
			return EDNS{}, false
		case m[at] >= 0xC0:
			at += 2
		case m[at] == 0:
			at++
		default:
			end, err := m.skipName(at)
			if err != nil {
				return EDNS{}, false
			}
			at = end
		}
		if at+10 > len(m) {
			return EDNS{}, false
		}
		rr := m[at:]
		end := 10 + int(be16(rr[8:]))
		if end > len(rr) {
			return EDNS{}, false
		}
		if i >= others && Type(be16(rr)) == TypeOPT {
			return m.opt(rr[:end:end]), true
		}
		at += end
	}
	return EDNS{}, false
}

// opt reads an OPT record behind its owner.
func (m Message) opt(rr []byte) EDNS {
	return EDNS{
		UDPSize: be16(rr[2:]),
		RCode:   RCode(rr[4])<<4 | m.RCode(),
		Version: rr[5],
		DO:      rr[6]&0x80 != 0,
		options: rr[10:],
	}
}

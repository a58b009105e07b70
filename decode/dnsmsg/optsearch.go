package dnsmsg

// OPT is an OPT record in place: its bytes behind the owner. It borrows from the message. Only
// [Message.OPTBehind] makes one.
type OPT []byte

// UDPSize returns the size of the largest datagram that the sender accepts, bytes.
func (o OPT) UDPSize() uint16 { return be16(o[2:]) }

// RCode returns the complete response code of a message whose header has the given one.
func (o OPT) RCode(header RCode) RCode { return RCode(o[4])<<4 | header }

// Version returns the version of EDNS.
func (o OPT) Version() uint8 { return o[5] }

// DO reports whether DNSSEC records are welcome (RFC 3225).
func (o OPT) DO() bool { return o[6]&0x80 != 0 }

// EDNS returns the record of message m with its options.
func (o OPT) EDNS(m Message) EDNS {
	return EDNS{UDPSize: o.UDPSize(), RCode: o.RCode(m.RCode()), Version: o.Version(), DO: o.DO(), options: o[10:]}
}

// OPTBehind returns the first OPT record in the additional section, or nil. The first question ends
// at offset end, see [Question]. So a handler that has the question does not read it again. If the
// question could not be read, end is 0.
//
// Most messages end with an OPT record without options. It is recognized by its eleven bytes, which
// saves the walk over the other records. Only a message made for that purpose ends with such bytes
// in another record.
func (m Message) OPTBehind(end int) OPT {
	if m.ARCount() == 0 {
		return nil
	}
	if o := m.LastOPT(max(end, HeaderLen)); o != nil {
		return o
	}
	if end == 0 || m.QDCount() != 1 {
		return m.opt()
	}
	return m.optAt(end)
}

// LastOPT returns the record at the end of m if it is an OPT record without options, and begins at
// offset from or later. Otherwise it returns nil. It is short enough to be inlined.
func (m Message) LastOPT(from int) OPT {
	if at := len(m) - optLen; at >= from && be32(m[at:])>>8 == uint32(TypeOPT) && be16(m[at+optLen-2:]) == 0 {
		return OPT(m[at+1:])
	}
	return nil
}

// optLen is the length of an OPT record without options.
const optLen = 11

// opt returns the first OPT record in the additional section, or nil.
func (m Message) opt() OPT {
	rr := m.Records() // skips the questions
	if rr.err != nil {
		return nil
	}
	return m.optAt(rr.next)
}

// optAt is opt for records that begin at offset at. The work is bounded by the bytes of the
// message: each record takes eleven.
func (m Message) optAt(at int) OPT {
	others := int(m.ANCount()) + int(m.NSCount())
	for i := range others + int(m.ARCount()) {
		switch { // the most frequent owners need no walk
		case at >= len(m):
			return nil
		case m[at] >= 0xC0:
			at += 2
		case m[at] == 0:
			at++
		default:
			end, err := m.skipName(at)
			if err != nil {
				return nil
			}
			at = end
		}
		if at+10 > len(m) {
			return nil
		}
		rr := m[at:]
		end := 10 + int(be16(rr[8:]))
		if end > len(rr) {
			return nil
		}
		if i >= others && Type(be16(rr)) == TypeOPT {
			return OPT(rr[:end:end])
		}
		at += end
	}
	return nil
}

package dnsmsg

import "net/netip"

// Section is a section of a message that holds records.
type Section uint8

// The sections.
const (
	Answer Section = iota + 1
	Authority
	Additional
)

// Records is a cursor over the records of a message, in the order of the message. It is a small
// value, to be used as
//
//	for rr := msg.Records(); rr.Next(); {
//
// It borrows from the message.
type Records struct {
	msg     Message
	next    int // offset of the next record
	left    [4]int
	section Section
	name    int // offsets in the current record
	data    int
	end     int
	err     error
}

// Records returns a cursor in front of the first record. The questions are skipped.
func (m Message) Records() Records {
	r := Records{msg: m, next: HeaderLen, section: Answer}
	r.left = [4]int{0, int(m.ANCount()), int(m.NSCount()), int(m.ARCount())}
	for range m.QDCount() {
		end, err := m.skipName(r.next)
		if err == nil && end+4 > len(m) {
			err = ErrTruncated
		}
		if err != nil {
			r.err = err
			break
		}
		r.next = end + 4
	}
	return r
}

// Next advances to the next record. It returns false at the end, and if a record cannot be read:
// then Err returns the reason.
func (r *Records) Next() bool {
	if r.err != nil {
		return false
	}
	for r.left[r.section] == 0 {
		if r.section == Additional {
			return false
		}
		r.section++
	}
	r.left[r.section]--
	end, err := r.msg.skipName(r.next)
	if err == nil && end+10 > len(r.msg) {
		err = ErrTruncated
	}
	if err != nil {
		r.err = err
		return false
	}
	r.name, r.data = r.next, end+10
	r.end = r.data + int(be16(r.msg[end+8:]))
	if r.end > len(r.msg) {
		r.err = ErrTruncated
		return false
	}
	r.next = r.end
	return true
}

// Err returns [ErrTruncated] or [ErrMalformed] if Next stopped before the last record, otherwise
// nil.
func (r *Records) Err() error { return r.err }

// Section returns the section of the current record.
func (r *Records) Section() Section { return r.section }

// Type returns the type of the current record.
func (r *Records) Type() Type { return Type(be16(r.msg[r.data-10:])) }

// Class returns the class of the current record; for an OPT record, the sender's UDP size.
func (r *Records) Class() uint16 { return be16(r.msg[r.data-8:]) }

// TTL returns the time to live of the current record in seconds; for an OPT record, flags.
func (r *Records) TTL() uint32 { return be32(r.msg[r.data-6:]) }

// Data returns the RDATA of the current record.
func (r *Records) Data() []byte { return r.msg[r.data:r.end:r.end] }

// AppendName appends the owner of the current record as text in lower case.
func (r *Records) AppendName(dst []byte) ([]byte, error) {
	dst, _, err := r.msg.appendName(dst, r.name, true)
	return dst, err
}

// AppendTarget appends the name in the RDATA of a CNAME, NS, PTR or DNAME record as text in lower
// case.
func (r *Records) AppendTarget(dst []byte) ([]byte, error) {
	dst, end, err := r.msg.appendName(dst, r.data, true)
	if err == nil && end > r.end {
		err = ErrMalformed
	}
	return dst, err
}

// Addr returns the address of an A or AAAA record, and false for others.
func (r *Records) Addr() (netip.Addr, bool) {
	data := r.Data()
	if t := r.Type(); t == TypeA && len(data) == 4 || t == TypeAAAA && len(data) == 16 {
		return netip.AddrFromSlice(data)
	}
	return netip.Addr{}, false
}

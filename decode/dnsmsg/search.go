package dnsmsg

import (
	"bytes"
	"encoding/binary"
)

// maxSearch is how many bytes of a stream a Framer searches for a message before it rejects the
// stream as not DNS.
const maxSearch = 256 << 10

// Searches bounds the work of Framers that look for a message in the middle of a stream. A step is
// an offset that is tested or a byte of a name that is read, and costs 1.2 ns. Each fed segment
// adds 128 steps, and 98,304 can be saved up, enough for the longest message. Without steps left a
// Framer skips to the beginning of the next segment, where most messages begin. Without this bound,
// 1,400 bytes of headers with long names took 9 µs.
//
// The Framers of one goroutine share it. The zero Searches is ready to use.
type Searches struct{ used int32 }

const (
	stepsEach  = 128    // of a segment
	stepsSaved = 98_304 // at most
)

// earn adds the steps of a segment.
func (s *Searches) earn() { s.used = max(0, s.used-stepsEach) }

// spend takes n steps, even if fewer are left: the following segments make up for them.
func (s *Searches) spend(n int) {
	if s != nil {
		s.used += int32(n)
	}
}

// spent reports whether no step is left. A nil Searches has no bound.
func (s *Searches) spent() bool { return s != nil && s.used >= stepsSaved }

// search is the state of looking for a message in a stream.
type search struct {
	on   bool
	edge bool  // the held data begins at a segment's start
	seen int32 // bytes searched without success
}

// find looks for a message in the held bytes and in the data, and makes it the data. Most clients
// write a message, or its length, at the beginning of a segment. There a matching length and header
// suffice.
func (f *Framer) find() bool {
	held, buf := len(f.partial), f.data
	if held > 0 {
		if f.hold(f.data) {
			buf = f.partial
		} else {
			held = 0
			f.forget()
		}
	}
	f.data = nil
	i, fit, edge := 0, no, false
	for i < len(buf) {
		edge = i == held || i == 0 && f.search.edge
		if fit = f.look(buf[i:], edge); fit != no {
			break
		}
		switch next := i + 1; {
		case f.searches.spent() && i < held:
			i = held
		case f.searches.spent():
			i = len(buf)
		default:
			skip, steps := toCandidate(buf[next:])
			f.searches.spend(1 + steps)
			if next += skip; i < held {
				next = min(next, held)
			}
			i = next
		}
	}
	f.skipped = f.skipped || i > 0
	switch {
	case fit == yes:
		f.search = search{}
		if held > 0 {
			f.release()
			f.spent, f.partial = f.partial, nil
		}
		f.data = buf[i:]
		return true
	case fit == no || held == 0 && !f.hold(buf[i:]):
		f.forget()
	case held > 0:
		f.partial = append(f.partial[:0], buf[i:]...)
	}
	f.search.edge = edge
	if f.search.seen += int32(i); f.search.seen > maxSearch {
		f.forget()
		f.failed = true
	}
	return false
}

// toCandidate returns how many bytes of b to skip to where a message may begin, and how many
// offsets it tested. The length has room for a header, QDCOUNT is 0 or 1, and the reserved bit is
// zero. One masked word rejects most offsets: 1.2 ns each instead of 9.5.
func toCandidate(b []byte) (i, steps int) {
	const (
		count = 2 + 4 // the length, ID and flags are before it
		zeros = 0x40<<16 | 0xFFFE
	)
	for ; len(b)-i >= 8; steps++ {
		start := binary.BigEndian.Uint64(b[i:])
		if start&zeros == 0 && start>>48 >= HeaderLen {
			return i, steps
		}
		i++
		if start&0xFF == 0 {
			continue
		}
		zero := bytes.IndexByte(b[i+count:], 0)
		if zero < 0 {
			return len(b) - count, steps
		}
		i += zero
	}
	if len(b)-i > count && b[i+count] != 0 {
		i++
	}
	return i, steps
}

// fit is how well bytes resemble the beginning of a message.
type fit uint8

const (
	no    fit = iota
	short     // too few bytes to decide
	yes
)

// look reports whether b begins like a message. Within a segment, the next bytes must also begin
// like a message, or the segment must end.
func (f *Framer) look(b []byte, edge bool) fit {
	fit := f.begins(b)
	if fit != yes || edge {
		return fit
	}
	if end := 2 + int(be16(b)); end < len(b) && f.begins(b[end:]) == no {
		return no
	}
	return yes
}

// begins reports whether b begins with a length, a header, and a question or record that fit each
// other.
func (f *Framer) begins(b []byte) fit {
	fit := headed(b)
	if fit != yes {
		return fit
	}
	n, end := int(be16(b)), 0
	m := Message(b[2:min(2+n, len(b))])
	if m.QDCount() == 1 {
		fit, end = m.beginsQuestion()
	} else {
		fit, end = m.beginsRecord(n)
	}
	f.searches.spend(end)
	if fit == short && len(m) == n {
		return no
	}
	return fit
}

// headed reports whether b begins with a length and a header that fit each other.
func headed(b []byte) fit {
	if len(b) < 2 {
		return short
	}
	n := int(be16(b))
	if n < HeaderLen {
		return no
	}
	if len(b) < 2+HeaderLen {
		return short
	}
	m := Message(b[2 : 2+HeaderLen])
	questions, records := int(m.QDCount()), int(m.ANCount())+int(m.NSCount())+int(m.ARCount())
	switch {
	case m.Opcode() > 6 || questions > 1 || m[3]&0x40 != 0 || HeaderLen+5*questions+11*records > n:
		return no
	case questions == 0 && (!m.Response() || records == 0):
		return no
	}
	return yes
}

// beginsQuestion reports whether m has a question with a name that is not compressed, and where the
// walk over the name ended.
func (m Message) beginsQuestion() (f fit, end int) {
	i := HeaderLen
	for i < len(m) && m[i] != 0 {
		if m[i] >= 0x40 || i-HeaderLen >= maxName {
			return no, i
		}
		i += int(m[i]) + 1
	}
	if i+5 > len(m) {
		return short, i
	}
	if be16(m[i+1:]) == 0 || !isClass(be16(m[i+3:])) {
		return no, i
	}
	return yes, i
}

// beginsRecord reports whether m, which is n bytes long in all, has a record behind its header, and
// where the walk over the record's name ended.
func (m Message) beginsRecord(n int) (f fit, end int) {
	end, err := m.skipName(HeaderLen)
	switch {
	case err == ErrMalformed:
		return no, end
	case err != nil || end+10 > len(m):
		return short, end
	case end+10+int(be16(m[end+8:])) > n:
		return no, end
	case Type(be16(m[end:])) != TypeOPT && !isClass(be16(m[end+2:])):
		return no, end
	}
	return yes, end
}

// isClass reports whether c is an assigned class (RFC 6895 section 3.2). In mDNS its first bit has
// another meaning.
func isClass(c uint16) bool {
	switch c &^ 0x8000 {
	case 1, 3, 4, 254, 255:
		return true
	}
	return false
}

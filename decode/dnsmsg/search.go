package dnsmsg

import "bytes"

// maxSearch is how many bytes of a stream a Framer searches for a message before it rejects the
// stream as not DNS.
const maxSearch = 256 << 10

// Searches bounds the work of Framers that look for a message in the middle of a stream. A try at
// a byte costs 10 ns: a segment of 1,400 plausible bytes cost as much as 70 ordinary packets. Each
// fed segment adds 32 tries, and 32,768 can be saved up, enough for half of the longest message.
// Without tries left a Framer skips to the beginning of the next segment, where most messages
// begin.
//
// The Framers of one goroutine share it. The zero Searches is ready to use.
type Searches struct{ used int32 }

const (
	triesEach  = 32     // of a segment
	triesSaved = 32_768 // at most
)

// earn adds the tries of a segment.
func (s *Searches) earn() { s.used = max(0, s.used-triesEach) }

// spend takes a try, and reports whether there was one.
func (s *Searches) spend() bool {
	if s.used == triesSaved {
		return false
	}
	s.used++
	return true
}

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
		if fit = look(buf[i:], edge); fit != no {
			break
		}
		next := i + 1 + toCandidate(buf[i+1:])
		tired := f.searches != nil && !f.searches.spend()
		switch {
		case i < held && (next > held || tired):
			next = held
		case tired:
			next = len(buf)
		}
		i = next
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

// toCandidate returns how many bytes of b to skip to where a message may begin: its QDCOUNT is
// below 256.
func toCandidate(b []byte) int {
	const count = 2 + 4 // the length, ID and flags are before it
	if len(b) <= count {
		return 0
	}
	if i := bytes.IndexByte(b[count:], 0); i >= 0 {
		return i
	}
	return len(b) - count
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
func look(b []byte, edge bool) fit {
	fit := begins(b)
	if fit != yes || edge {
		return fit
	}
	if end := 2 + int(be16(b)); end < len(b) && begins(b[end:]) == no {
		return no
	}
	return yes
}

// begins reports whether b begins with a length, a header, and a question or record that fit each
// other.
func begins(b []byte) fit {
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
	m := Message(b[2:min(2+n, len(b))])
	records := int(m.ANCount()) + int(m.NSCount()) + int(m.ARCount())
	if m.Opcode() > 6 || m.QDCount() > 1 || m[3]&0x40 != 0 || HeaderLen+5*int(m.QDCount())+11*records > n {
		return no
	}
	fit := no
	if m.QDCount() == 1 {
		fit = m.beginsQuestion()
	} else if m.Response() && records > 0 {
		fit = m.beginsRecord(n)
	}
	if fit == short && len(m) == n {
		return no
	}
	return fit
}

// beginsQuestion reports whether m has a question with a name that is not compressed.
func (m Message) beginsQuestion() fit {
	i := HeaderLen
	for i < len(m) && m[i] != 0 {
		if m[i] >= 0x40 || i-HeaderLen >= maxName {
			return no
		}
		i += int(m[i]) + 1
	}
	if i+5 > len(m) {
		return short
	}
	if be16(m[i+1:]) == 0 || !isClass(be16(m[i+3:])) {
		return no
	}
	return yes
}

// beginsRecord reports whether m, which is n bytes long in all, has a record behind its header.
func (m Message) beginsRecord(n int) fit {
	end, err := m.skipName(HeaderLen)
	switch {
	case err == ErrMalformed:
		return no
	case err != nil || end+10 > len(m):
		return short
	case end+10+int(be16(m[end+8:])) > n:
		return no
	case Type(be16(m[end:])) != TypeOPT && !isClass(be16(m[end+2:])):
		return no
	}
	return yes
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

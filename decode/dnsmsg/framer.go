package dnsmsg

import "errors"

// ErrNotDNS is what a Framer says of a stream whose lengths cannot be those of DNS messages.
var ErrNotDNS = errors.New("dnsmsg: stream does not carry DNS")

// Framer splits the bytes of one direction of a TCP connection into DNS messages, each behind its length in two
// bytes (RFC 1035 section 4.2.2):
//
//	f.Feed(data)
//	for f.Next() {
//		use(f.Message())
//	}
//
// A Framer is owned by one goroutine. The zero Framer is ready to use. It holds at most one message that is not
// complete yet, 65,537 bytes.
type Framer struct {
	data    []byte // fed, and not looked at yet
	partial []byte // the beginning of a message, with its length
	message Message
	skip    int  // bytes of a message that was lost in part
	lost    bool // where the next message begins is not known
	err     error
}

// Feed hands data to the Framer, which borrows it until Next returns false.
func (f *Framer) Feed(data []byte) {
	f.data = data
	if f.lost {
		f.resume()
	}
}

// resume looks whether a message begins where the data does. If not, the data is of no use.
func (f *Framer) resume() {
	if len(f.data) >= 2+HeaderLen && plausible(f.data) {
		f.lost = false
		return
	}
	f.data = nil
}

// plausible reports whether b begins with a length and a header that fit each other.
func plausible(b []byte) bool {
	n := int(be16(b))
	m := Message(b[2:])
	if n < HeaderLen || m.Opcode() > 6 || m.QDCount() > 1 || m[3]&0x40 != 0 {
		return false
	}
	counts := int(m.QDCount()) + int(m.ANCount()) + int(m.NSCount()) + int(m.ARCount())
	if counts == 0 || HeaderLen+5*counts > n {
		return false
	}
	_, end, err := m.appendName(make([]byte, 0, maxName), HeaderLen, true)
	return m.QDCount() == 0 || err == nil && end+4 <= n
}

// Next goes to the next message that is complete. It returns false if there is none: then more data is
// wanted, or Err tells why there will be none.
func (f *Framer) Next() bool {
	if f.err != nil {
		return false
	}
	n := min(f.skip, len(f.data))
	f.skip, f.data = f.skip-n, f.data[n:]
	if len(f.partial) > 0 {
		return f.complete()
	}
	if len(f.data) < 2 {
		f.keep()
		return false
	}
	size := int(be16(f.data))
	if size < HeaderLen {
		f.err = ErrNotDNS
		return false
	}
	if len(f.data) < 2+size {
		f.keep()
		return false
	}
	f.message, f.data = Message(f.data[2:2+size:2+size]), f.data[2+size:]
	return true
}

// keep copies the rest of the data, the beginning of a message.
func (f *Framer) keep() {
	f.partial = append(f.partial, f.data...)
	f.data = nil
}

// complete goes on with a message whose beginning was kept.
func (f *Framer) complete() bool {
	for want := 2; ; {
		if len(f.partial) >= 2 {
			size := int(be16(f.partial))
			if size < HeaderLen {
				f.err = ErrNotDNS
				return false
			}
			want = 2 + size
		}
		n := min(want-len(f.partial), len(f.data))
		f.partial, f.data = append(f.partial, f.data[:n]...), f.data[n:]
		if len(f.partial) < want {
			return false
		}
		if want > 2 {
			f.message, f.partial = Message(f.partial[2:want:want]), f.partial[:0]
			return true
		}
	}
}

// Message returns the current message. It borrows from the data or the Framer until the next call of Next or
// Feed.
func (f *Framer) Message() Message { return f.message }

// Gap tells that n bytes of the stream are lost. If they lie within a message, that one is dropped and the next is
// found where it begins; otherwise the Framer waits for data that begins like a message.
func (f *Framer) Gap(n int) {
	switch {
	case f.skip >= n:
		f.skip -= n
	case f.skip == 0 && len(f.partial) >= 2 && 2+int(be16(f.partial))-len(f.partial) >= n:
		f.skip = 2 + int(be16(f.partial)) - len(f.partial) - n
	default:
		f.skip, f.lost = 0, true
	}
	f.partial = f.partial[:0]
}

// Err returns [ErrNotDNS] if the stream cannot be DNS, else nil. Nothing more comes from it then.
func (f *Framer) Err() error { return f.err }

// Reset makes the Framer ready for another stream and keeps its memory.
func (f *Framer) Reset() { *f = Framer{partial: f.partial[:0]} }

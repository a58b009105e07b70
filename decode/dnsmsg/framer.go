package dnsmsg

import "errors"

// ErrNotDNS is the error for a stream whose lengths cannot belong to DNS messages.
var ErrNotDNS = errors.New("dnsmsg: stream does not carry DNS")

// Buffers lends memory for incomplete messages.
type Buffers interface {
	// Get returns a slice of capacity n or more, or nil if memory is exhausted.
	Get(n int) []byte
	// Put takes back a slice that Get returned.
	Put(b []byte)
}

// Framer splits the bytes of one direction of a TCP connection into DNS messages. Each has its
// length in front, in two bytes (RFC 1035 section 4.2.2):
//
//	f.Feed(data)
//	for f.Next() {
//		use(f.Message())
//	}
//
// A Framer is owned by one goroutine. The zero Framer is ready to use. It holds at most one
// incomplete message, 65,535 bytes. Its memory grows with the received part.
type Framer struct {
	data    []byte // fed but not examined yet
	partial []byte // the beginning of a message, or a candidate while searching
	spent   []byte // the buffer under the message or data, to be released
	message Message
	buffers Buffers
	// bounds searches; nil does not
	searches *Searches
	skip     int32   // remaining bytes of a message that lost some
	search   search  // the start of the next message is unknown
	length   [2]byte // length of the message that partial begins
	known    uint8   // received bytes of the length
	guessed  bool    // a search found the messages: an implausible one starts another search
	failed   bool    // the stream is not DNS
	skipped  bool    // bytes outside whole messages were skipped
	dropped  uint32
}

// Borrow makes f take memory from buffers. Call it before Feed. f returns memory that it does not
// need.
func (f *Framer) Borrow(buffers Buffers) { f.buffers = buffers }

// Limit makes f search within the bounds of s, which other Framers may share. Call it before Feed.
func (f *Framer) Limit(s *Searches) { f.searches = s }

// Feed hands data to the Framer, which borrows it until Next returns false.
func (f *Framer) Feed(data []byte) {
	f.release()
	f.data = data
	if f.searches != nil {
		f.searches.earn()
	}
}

// Next advances to the next complete message. It returns false if it finds none: either more data
// is needed, or Err returns why no further message will follow.
func (f *Framer) Next() bool {
	if f.known == 0 && f.skip == 0 && !f.guessed && !f.search.on && !f.failed && f.whole() {
		return true
	}
	for !f.failed && len(f.data) > 0 {
		n := min(int(f.skip), len(f.data))
		f.skip, f.data = f.skip-int32(n), f.data[n:]
		if f.search.on && !f.find() || !f.readLength() {
			break
		}
		if !f.search.on && f.take() {
			return true
		}
	}
	f.release()
	return false
}

// whole takes a message that the data begin with, if all of it is there. This usual case takes half
// the time.
func (f *Framer) whole() bool {
	if len(f.data) < 2 {
		return false
	}
	size := int(be16(f.data))
	if size < HeaderLen || len(f.data)-2 < size {
		return false
	}
	f.message, f.data = Message(f.data[2:2+size:2+size]), f.data[2+size:]
	return true
}

// readLength reads the length of the next message. It returns false if more data is needed.
func (f *Framer) readLength() bool {
	if f.known == 0 && f.guessed && f.begins(f.data) == no {
		f.Lost()
		return true
	}
	for f.known < 2 && len(f.data) > 0 {
		f.length[f.known] = f.data[0]
		f.known++
		f.data = f.data[1:]
	}
	if f.known < 2 {
		return false
	}
	if be16(f.length[:]) < HeaderLen {
		if !f.guessed {
			f.failed = true
			return false
		}
		f.Lost()
	}
	return true
}

// take reads the message whose length is known. It reports whether it is complete.
func (f *Framer) take() bool {
	size := int(be16(f.length[:]))
	if len(f.partial) == 0 && len(f.data) >= size {
		f.message, f.data, f.known = Message(f.data[:size:size]), f.data[size:], 0
		return true
	}
	n := min(size-len(f.partial), len(f.data))
	if !f.hold(f.data[:n]) {
		f.dropped++
		f.Drop()
		return false
	}
	f.data = f.data[n:]
	if len(f.partial) < size {
		return false
	}
	f.release()
	f.message, f.spent, f.partial, f.known = Message(f.partial[:size:size]), f.partial, nil, 0
	return true
}

// hold appends a copy of data to partial. It returns false if memory is exhausted.
func (f *Framer) hold(data []byte) bool {
	need := len(f.partial) + len(data)
	if need > cap(f.partial) && f.buffers != nil {
		b := f.buffers.Get(need)
		if b == nil {
			return false
		}
		b = append(b[:0], f.partial...)
		f.put(f.partial)
		f.partial = b
	}
	if f.partial == nil && f.buffers == nil {
		f.partial, f.spent = f.spent[:0], nil // left over from the latest message
	}
	f.partial = append(f.partial, data...)
	return true
}

func (f *Framer) put(b []byte) {
	if cap(b) > 0 && f.buffers != nil {
		f.buffers.Put(b)
	}
}

// release returns the memory under the message and the data. Without Buffers it is kept for the
// next message.
func (f *Framer) release() {
	if f.buffers != nil {
		f.put(f.spent)
		f.spent = nil
	}
}

// Message returns the current message. It borrows from the data or the Framer until the next call
// of Next or Feed.
func (f *Framer) Message() Message { return f.message }

// Held returns the number of bytes that f holds of an incomplete message.
func (f *Framer) Held() int { return len(f.partial) }

// Cut reports whether f holds an incomplete message.
func (f *Framer) Cut() bool { return f.known > 0 && !f.search.on && !f.failed }

// Drop drops the incomplete message. The next message is expected after its end.
func (f *Framer) Drop() {
	if f.known == 2 {
		f.skip = int32(be16(f.length[:])) - int32(len(f.partial))
	}
	f.forget()
}

// forget returns the memory of a message that will not be completed.
func (f *Framer) forget() {
	if f.buffers == nil {
		f.partial = f.partial[:0]
	} else {
		f.put(f.partial)
		f.partial = nil
	}
	f.known = 0
}

// Gap reports to f that n bytes of the stream are lost. If they are within a message, that message
// is dropped and the next is expected after its end. Otherwise the Framer looks for data that
// begins like a message.
func (f *Framer) Gap(n int) {
	missing := 0
	if f.known == 2 && !f.search.on {
		missing = int(be16(f.length[:])) - len(f.partial)
	}
	switch {
	case int(f.skip) >= n:
		f.skip -= int32(n)
	case missing >= n:
		f.forget()
		f.skip = int32(missing - n)
	default:
		f.Lost()
	}
}

// Lost reports to f that the start of the next message is unknown, such as when a capture begins
// within a connection. The Framer looks for data that begins like a message.
func (f *Framer) Lost() {
	f.forget()
	f.skip, f.search.on, f.guessed = 0, true, true
	f.search.edge = false
}

// TakeDropped returns and resets the number of messages dropped because memory was exhausted.
func (f *Framer) TakeDropped() uint64 {
	n := uint64(f.dropped)
	f.dropped = 0
	return n
}

// TakeSkipped reports whether bytes were skipped in search of a message since the last call.
func (f *Framer) TakeSkipped() bool {
	skipped := f.skipped
	f.skipped = false
	return skipped
}

// Err returns [ErrNotDNS] if the stream cannot be DNS, otherwise nil. After an error no further
// message follows.
func (f *Framer) Err() error {
	if f.failed {
		return ErrNotDNS
	}
	return nil
}

// Reset prepares the Framer for another stream. It keeps its memory, unless that is borrowed.
func (f *Framer) Reset() {
	f.forget()
	f.release()
	*f = Framer{partial: f.partial[:0], spent: f.spent, buffers: f.buffers, searches: f.searches}
}

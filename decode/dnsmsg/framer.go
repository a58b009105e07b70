package dnsmsg

import "errors"

// ErrNotDNS is what a Framer says of a stream whose lengths cannot be those of DNS messages.
var ErrNotDNS = errors.New("dnsmsg: stream does not carry DNS")

// Buffers lends memory for messages that are not complete yet.
type Buffers interface {
	// Get returns a slice of capacity n or more, or nil if there is no room.
	Get(n int) []byte
	// Put takes back a slice that Get returned.
	Put(b []byte)
}

// Framer splits the bytes of one direction of a TCP connection into DNS messages, each behind its
// length in two bytes (RFC 1035 section 4.2.2):
//
//	f.Feed(data)
//	for f.Next() {
//		use(f.Message())
//	}
//
// A Framer is owned by one goroutine. The zero Framer is ready to use. It holds at most one message
// that is not complete yet, 65,535 bytes, in memory that grows with what has come of it.
type Framer struct {
	data    []byte // fed, and not looked at yet
	partial []byte // the beginning of a message, or what may be one while searching
	spent   []byte // what the message or data borrow from, to be released
	message Message
	buffers Buffers
	skip    int32   // bytes of a message that was lost in part
	search  search  // where the next message begins is not known
	length  [2]byte // of the message that partial is the beginning of
	known   uint8   // bytes of the length that have come
	guessed bool    // messages were found by their looks: one that looks wrong starts another search
	failed  bool    // the stream is none of DNS
	skipped bool    // bytes that belong to no whole message were passed over
	dropped uint32
}

// Borrow makes f take memory from buffers, before it is fed. It returns what it does not need.
func (f *Framer) Borrow(buffers Buffers) { f.buffers = buffers }

// Feed hands data to the Framer, which borrows it until Next returns false.
func (f *Framer) Feed(data []byte) {
	f.release()
	f.data = data
}

// Next goes to the next message that is complete. It returns false if there is none: then more data
// is wanted, or Err returns why there will be none.
func (f *Framer) Next() bool {
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

// readLength reads the length of the next message. It returns false if more data is wanted.
func (f *Framer) readLength() bool {
	if f.known == 0 && f.guessed && begins(f.data) == no {
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

// hold appends a copy of data to partial. It returns false if there is no memory.
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
		f.partial, f.spent = f.spent[:0], nil // what the latest message left
	}
	f.partial = append(f.partial, data...)
	return true
}

func (f *Framer) put(b []byte) {
	if cap(b) > 0 && f.buffers != nil {
		f.buffers.Put(b)
	}
}

// release returns what the message and the data borrowed from. Without Buffers it is kept for the
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

// Held returns how many bytes of a message that is not complete f holds.
func (f *Framer) Held() int { return len(f.partial) }

// Cut reports whether a message has begun and is not complete.
func (f *Framer) Cut() bool { return f.known > 0 && !f.search.on && !f.failed }

// Drop gives up the message that is not complete. The next one is found where it begins.
func (f *Framer) Drop() {
	if f.known == 2 {
		f.skip = int32(be16(f.length[:])) - int32(len(f.partial))
	}
	f.forget()
}

// forget returns the memory of a message that will not be complete.
func (f *Framer) forget() {
	if f.buffers == nil {
		f.partial = f.partial[:0]
	} else {
		f.put(f.partial)
		f.partial = nil
	}
	f.known = 0
}

// Gap says that n bytes of the stream are lost. If they lie within a message, that one is dropped
// and the next is found where it begins; otherwise the Framer looks for data that begins like a
// message.
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

// Lost says that it is not known where the next message begins, as when a capture begins within a
// connection. The Framer looks for data that begins like a message.
func (f *Framer) Lost() {
	f.forget()
	f.skip, f.search.on, f.guessed = 0, true, true
	f.search.edge = false
}

// TakeDropped returns how many messages were dropped for want of memory since it was last called.
func (f *Framer) TakeDropped() uint64 {
	n := uint64(f.dropped)
	f.dropped = 0
	return n
}

// TakeSkipped reports whether bytes were passed over in search of a message since it was last
// called.
func (f *Framer) TakeSkipped() bool {
	skipped := f.skipped
	f.skipped = false
	return skipped
}

// Err returns [ErrNotDNS] if the stream cannot be DNS, else nil. Nothing more comes from it then.
func (f *Framer) Err() error {
	if f.failed {
		return ErrNotDNS
	}
	return nil
}

// Reset makes the Framer ready for another stream. It keeps its memory, unless that is borrowed.
func (f *Framer) Reset() {
	f.forget()
	f.release()
	*f = Framer{partial: f.partial[:0], spent: f.spent, buffers: f.buffers}
}

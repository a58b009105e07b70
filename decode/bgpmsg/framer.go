package bgpmsg

import "bytes"

// Buffers lends memory for incomplete messages.
type Buffers interface {
	// Get returns a slice of capacity n or more, or nil if memory is exhausted.
	Get(n int) []byte
	// Put takes back a slice that Get returned.
	Put(b []byte)
}

// Framer splits the bytes of one direction of a connection into messages. It is owned by one
// goroutine. The zero Framer is ready to use.
type Framer struct {
	buffers   Buffers
	data      []byte // fed but not examined yet
	partial   []byte // the beginning of a message
	held      []byte // the buffer under partial
	message   Message
	malformed uint64
	dropped   uint64
	searching bool // the start of the next message is unknown
	skipped   bool // bytes outside whole messages were skipped
}

// Borrow makes f take memory from buffers. Call it before Feed. f returns memory that it does not
// need.
func (f *Framer) Borrow(buffers Buffers) { f.buffers = buffers }

// Feed hands data to the Framer, which borrows it until Next returns false.
func (f *Framer) Feed(data []byte) {
	if len(f.partial) == 0 {
		f.data = data
		return
	}
	if !f.hold(data) {
		f.dropped++
		f.Gap()
		f.data = data
		return
	}
	f.data = f.partial
}

// hold appends a copy of data to partial. It returns false if memory is exhausted.
func (f *Framer) hold(data []byte) bool {
	if need := len(f.partial) + len(data); f.buffers != nil && need > cap(f.held) {
		b := f.buffers.Get(need)
		if b == nil {
			return false
		}
		f.partial = append(b[:0], f.partial...)
		f.release()
		f.held = b
	}
	f.partial = append(f.partial, data...)
	return true
}

// release returns the buffer of partial, which is no longer needed.
func (f *Framer) release() {
	if f.held != nil {
		f.buffers.Put(f.held)
		f.held = nil
	}
}

// Next advances to the next complete message. It returns false if more data is needed.
func (f *Framer) Next() bool {
	for {
		if f.searching {
			f.search()
		}
		if len(f.data) < HeaderLen {
			return f.keep()
		}
		n, ok := length(f.data)
		switch {
		case !ok:
			if !f.searching {
				f.malformed++
			}
			f.searching = true
			f.data = f.data[1:]
			continue
		case n > len(f.data):
			return f.keep()
		}
		f.searching = false
		f.message, f.data = f.data[:n:n], f.data[n:]
		return true
	}
}

// search skips the bytes before the next marker.
func (f *Framer) search() {
	var marker [markerLen]byte
	for i := range marker {
		marker[i] = 0xFF
	}
	at := bytes.Index(f.data, marker[:])
	if at < 0 { // one may begin at the end
		at = max(0, len(f.data)-markerLen+1)
	}
	f.skipped = f.skipped || at > 0
	f.data = f.data[at:]
}

// keep stores the remaining bytes for the next Feed.
func (f *Framer) keep() bool {
	rest := f.data
	f.data, f.partial = nil, f.partial[:0]
	if len(rest) == 0 {
		f.forget()
	} else if f.held != nil { // rest is the end of it
		f.partial = append(f.held[:0], rest...)
	} else if !f.hold(rest) {
		f.dropped++
		f.Gap()
	}
	return false
}

// forget drops the content of partial.
func (f *Framer) forget() {
	f.partial = f.partial[:0]
	if f.buffers != nil {
		f.partial = nil
		f.release()
	}
}

// Held returns the number of bytes that f holds of an incomplete message.
func (f *Framer) Held() int { return len(f.partial) }

// Cut reports whether f holds an incomplete message.
func (f *Framer) Cut() bool {
	return len(f.partial) >= HeaderLen || len(f.partial) > 0 && !f.searching
}

// Message returns the current message. It is valid until the next call of Next.
func (f *Framer) Message() Message { return f.message }

// Gap reports to f that bytes were lost.
func (f *Framer) Gap() {
	f.forget()
	f.data, f.searching = nil, true
}

// TakeMalformed returns and resets the number of malformed stretches seen.
func (f *Framer) TakeMalformed() uint64 {
	n := f.malformed
	f.malformed = 0
	return n
}

// TakeDropped returns and resets the number of messages dropped because memory was exhausted.
func (f *Framer) TakeDropped() uint64 {
	n := f.dropped
	f.dropped = 0
	return n
}

// TakeSkipped reports whether bytes were skipped in search of a message since the last call.
func (f *Framer) TakeSkipped() bool {
	skipped := f.skipped
	f.skipped = false
	return skipped
}

// Reset prepares f for another connection. It keeps its memory, unless that is borrowed.
func (f *Framer) Reset() {
	f.forget()
	*f = Framer{partial: f.partial, buffers: f.buffers}
}

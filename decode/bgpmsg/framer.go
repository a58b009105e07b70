package bgpmsg

import "bytes"

// Framer splits the bytes of one direction of a connection into messages. It is owned by one goroutine. The zero Framer is ready to
// use.
type Framer struct {
	data      []byte // fed, and not looked at yet
	partial   []byte // the beginning of a message
	message   Message
	malformed uint64
	searching bool // where the next message begins is not known
}

// Feed hands data to the Framer, which borrows it until Next returns false.
func (f *Framer) Feed(data []byte) {
	if len(f.partial) == 0 {
		f.data = data
		return
	}
	f.partial = append(f.partial, data...)
	f.data = f.partial
}

// Next goes to the next message that is complete. It returns false if more data is wanted.
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

// search skips what is before the next marker.
func (f *Framer) search() {
	var marker [markerLen]byte
	for i := range marker {
		marker[i] = 0xFF
	}
	at := bytes.Index(f.data, marker[:])
	if at < 0 { // one may begin at the end
		at = max(0, len(f.data)-markerLen+1)
	}
	f.data = f.data[at:]
}

// keep keeps what is left for the next Feed.
func (f *Framer) keep() bool {
	f.partial, f.data = append(f.partial[:0], f.data...), nil
	return false
}

// Message returns the current message. It is valid until the next call of Next.
func (f *Framer) Message() Message { return f.message }

// Gap tells that bytes were lost.
func (f *Framer) Gap() {
	f.partial, f.data, f.searching = f.partial[:0], nil, true
}

// TakeMalformed returns how many times something came that is no message since it was last called.
func (f *Framer) TakeMalformed() uint64 {
	n := f.malformed
	f.malformed = 0
	return n
}

// Reset makes f ready for another connection. It keeps its memory.
func (f *Framer) Reset() { *f = Framer{partial: f.partial[:0]} }

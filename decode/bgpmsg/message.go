package bgpmsg

import "encoding/binary"

// Type is the type of a message.
type Type uint8

// Types (RFC 4271, section 4.1; RFC 2918).
const (
	Open Type = iota + 1
	Update
	Notification
	Keepalive
	RouteRefresh
)

// HeaderLen is the length of a message's header, and so of the shortest message.
const HeaderLen = 19

const (
	markerLen = 16 // bytes, all ones
	lengthAt  = 16
	typeAt    = 18
)

// Message is a whole message: a view that borrows the bytes of the stream.
type Message []byte

// Type returns the type.
func (m Message) Type() Type { return Type(m[typeAt]) }

// Body returns the bytes after the header. It borrows from m.
func (m Message) Body() []byte { return m[HeaderLen:] }

// length returns the length of the message whose header b begins with, which may exceed b. ok is
// false if b does not begin with a header: a marker of all ones, a known type, and a length that is
// valid for it.
func length(b []byte) (n int, ok bool) {
	for _, one := range b[:markerLen] {
		if one != 0xFF {
			return 0, false
		}
	}
	n = int(binary.BigEndian.Uint16(b[lengthAt:]))
	switch Type(b[typeAt]) {
	case Open:
		return n, n >= 29
	case Update, RouteRefresh:
		return n, n >= 23
	case Notification:
		return n, n >= 21
	case Keepalive:
		return n, n == HeaderLen
	}
	return n, false
}

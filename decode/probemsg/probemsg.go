// Package probemsg is how active probes report to handlers what happened: one event a frame, of
// [decode.LinkProbe]. capture/probe writes them, handler/netprobe reads them.
//
//	b := probemsg.Event{Kind: probemsg.Sent, Key: 7, Target: []byte("resolver")}.AppendTo(nil)
//	e, err := probemsg.Parse(b)
//
// The form is visor's own and does not leave the process: the kind, eight bytes of key in network
// byte order, of [Responded] the response, and the target's name.
package probemsg

import (
	"encoding/binary"
	"errors"
)

// Kind is what happened.
type Kind uint8

// The kinds.
const (
	Sent          Kind = iota + 1 // a test began
	Received                      // it was answered
	TimedOut                      // it was given up
	LookupFailed                  // the target's name could not be resolved
	BadAddress                    // the name has no address that can be probed
	SocketFailed                  // the system refused to send
	ConnectFailed                 // the target, or a router, refused a connection
	Responded                     // a whole test, begun and answered by a Response: there is no Sent before it
	kinds
)

// Event is something that happened to a test.
type Event struct {
	Kind Kind
	// tells the tests of a process apart: the same for Sent and for what comes of it
	Key      uint64
	Response Response // of Responded
	Target   []byte   // the name that the target was given
}

// Outcome is what a response was worth.
type Outcome uint8

// The outcomes.
const (
	Success     Outcome = iota
	BadStatus           // the HTTP status is not an expected one
	BadContent          // the status is, and an assertion about the response failed
	BadResponse         // the DNS response is invalid, or its RCODE not NOERROR
	outcomes
)

// RCodes beyond those of DNS headers.
const (
	NoRCode    = 0xFFFE // the response is not one of DNS, or its HTTP status failed
	ParseError = 0xFFFF // it cannot be read, or does not answer the question
)

// NoSize is the size of a response to a test of DNS, whose messages are not counted by size.
const NoSize = 1<<64 - 1

// Response is what a test of HTTP or DNS brought. Times are microseconds.
type Response struct {
	Outcome Outcome
	Status  uint16 // of HTTP; 0 if the test is one of DNS alone
	RCode   uint16 // of DNS, or NoRCode, or ParseError
	Total   uint64 // from the start to the end of the response, redirects included
	Lookup  uint64 // of this, the look-up of names
	Connect uint64 // the opening of TCP connections
	TLS     uint64 // TLS handshakes
	// from the connection, or the end of its handshake, to the first byte of the response
	First uint64
	Size  uint64 // bytes of the body, or NoSize
	// when the first of the server's certificates expires, seconds since 1970; 0 if it is not known
	Expiry uint64
}

const (
	headerLen   = 9
	responseLen = 5 + 7*8
)

// ErrMalformed is what Parse returns for bytes that are no event.
var ErrMalformed = errors.New("probemsg: malformed")

// AppendTo appends e in the form that Parse reads.
func (e Event) AppendTo(dst []byte) []byte {
	dst = append(dst, byte(e.Kind))
	dst = binary.BigEndian.AppendUint64(dst, e.Key)
	if e.Kind == Responded {
		dst = e.Response.appendTo(dst)
	}
	return append(dst, e.Target...)
}

func (r *Response) appendTo(dst []byte) []byte {
	dst = append(dst, byte(r.Outcome))
	dst = binary.BigEndian.AppendUint16(dst, r.Status)
	dst = binary.BigEndian.AppendUint16(dst, r.RCode)
	for _, v := range r.numbers() {
		dst = binary.BigEndian.AppendUint64(dst, *v)
	}
	return dst
}

// numbers lists the fields of 64 bits in the order of the form.
func (r *Response) numbers() [7]*uint64 {
	return [...]*uint64{&r.Total, &r.Lookup, &r.Connect, &r.TLS, &r.First, &r.Size, &r.Expiry}
}

// Parse reads an event. Its Target borrows from b.
func Parse(b []byte) (Event, error) {
	if len(b) < headerLen || b[0] == 0 || Kind(b[0]) >= kinds {
		return Event{}, ErrMalformed
	}
	e := Event{Kind: Kind(b[0]), Key: binary.BigEndian.Uint64(b[1:]), Target: b[headerLen:]}
	if e.Kind == Responded {
		if len(e.Target) < responseLen || Outcome(e.Target[0]) >= outcomes {
			return Event{}, ErrMalformed
		}
		e.Response.read(e.Target)
		e.Target = e.Target[responseLen:]
	}
	return e, nil
}

// read reads what appendTo wrote.
func (r *Response) read(b []byte) {
	r.Outcome, r.Status, r.RCode = Outcome(b[0]), binary.BigEndian.Uint16(b[1:]), binary.BigEndian.Uint16(b[3:])
	for i, v := range r.numbers() {
		*v = binary.BigEndian.Uint64(b[5+8*i:])
	}
}

// Package probemsg is the format in which active probes report events to handlers: one event per
// frame of [visor/decode.LinkProbe]. capture/probe writes them, handler/netprobe reads them.
//
//	b := probemsg.Event{Kind: probemsg.Sent, Key: 7, Target: []byte("resolver")}.AppendTo(nil)
//	e, err := probemsg.Parse(b)
//
// The format is private to visor and does not leave the process: the kind, the key as eight bytes
// in network byte order, the response for [Responded], and the target's name.
package probemsg

import (
	"encoding/binary"
	"errors"
)

// Kind is the kind of an event.
type Kind uint8

// The kinds.
const (
	Sent          Kind = iota + 1 // a test began
	Received                      // it was answered
	TimedOut                      // its timeout expired
	LookupFailed                  // the target's name could not be resolved
	BadAddress                    // the name has no address that can be probed
	SocketFailed                  // the system refused to send
	ConnectFailed                 // the target, or a router, refused a connection
	Responded                     // a whole test with its Response; it has no Sent event
	kinds
)

// Event is an event of a test.
type Event struct {
	Kind Kind
	// identifies a test within the process: equal in Sent and the events that follow
	Key      uint64
	Response Response // for Responded
	Target   []byte   // the target's configured name
}

// Outcome is the verdict on a response.
type Outcome uint8

// The outcomes.
const (
	Success     Outcome = iota
	BadStatus           // the HTTP status is not an expected one
	BadContent          // the status is expected, but an assertion about the response failed
	BadResponse         // the DNS response is invalid, or its RCODE is not NOERROR
	outcomes
)

// RCodes outside the range of DNS headers.
const (
	NoRCode    = 0xFFFE // not a DNS response, or its HTTP status failed
	ParseError = 0xFFFF // unreadable, or does not answer the question
)

// NoSize is the size for DNS tests, whose messages are not counted by size.
const NoSize = 1<<64 - 1

// Response is the result of an HTTP or DNS test. Times are in microseconds.
type Response struct {
	Outcome Outcome
	Status  uint16 // HTTP status; 0 for plain DNS tests
	RCode   uint16 // of DNS, or NoRCode, or ParseError
	Total   uint64 // from the start to the end of the response, redirects included
	Lookup  uint64 // name lookup, part of Total
	Connect uint64 // opening of TCP connections, part of Total
	TLS     uint64 // TLS handshakes, part of Total
	// from the connection, or the end of its handshake, to the first byte of the response
	First uint64
	Size  uint64 // bytes of the body, or NoSize
	// earliest expiry of the server's certificates, seconds since 1970; 0 if unknown
	Expiry uint64
}

const (
	headerLen   = 9
	responseLen = 5 + 7*8
)

// ErrMalformed is the error of Parse for bytes that do not hold an event.
var ErrMalformed = errors.New("probemsg: malformed")

// AppendTo appends e in the format that Parse reads.
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

// numbers lists the fields of 64 bits in the order of the format.
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

// read reads the output of appendTo.
func (r *Response) read(b []byte) {
	r.Outcome, r.Status, r.RCode = Outcome(b[0]), binary.BigEndian.Uint16(b[1:]), binary.BigEndian.Uint16(b[3:])
	for i, v := range r.numbers() {
		*v = binary.BigEndian.Uint64(b[5+8*i:])
	}
}

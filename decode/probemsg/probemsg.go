// Package probemsg is how active probes tell handlers what happened: one event a frame, of [decode.LinkProbe]. capture/probe writes
// them, handler/netprobe reads them.
//
//	b := probemsg.Event{Kind: probemsg.Sent, Key: 7, Target: []byte("resolver")}.AppendTo(nil)
//	e, err := probemsg.Parse(b)
//
// The form is visor's own and does not leave the process: the kind, eight bytes of key in network byte order, the target's name.
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
	kinds
)

// Event is something that happened to a test.
type Event struct {
	Kind   Kind
	Key    uint64 // tells the tests of a process apart: the same for Sent and for what comes of it
	Target []byte // the name that the target was given
}

const headerLen = 9

// ErrMalformed is what Parse returns for bytes that are no event.
var ErrMalformed = errors.New("probemsg: malformed")

// AppendTo appends e in the form that Parse reads.
func (e Event) AppendTo(dst []byte) []byte {
	dst = append(dst, byte(e.Kind))
	dst = binary.BigEndian.AppendUint64(dst, e.Key)
	return append(dst, e.Target...)
}

// Parse reads an event. Its Target borrows from b.
func Parse(b []byte) (Event, error) {
	if len(b) < headerLen || b[0] == 0 || Kind(b[0]) >= kinds {
		return Event{}, ErrMalformed
	}
	return Event{Kind(b[0]), binary.BigEndian.Uint64(b[1:]), b[headerLen:]}, nil
}

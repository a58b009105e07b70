package dhcpmsg

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// Errors of parsing.
var (
	ErrTruncated = errors.New("dhcpmsg: truncated")
	ErrMalformed = errors.New("dhcpmsg: malformed")
)

// Type is the type of a message for IPv4: option 53 (RFC 2132, section 9.6).
type Type uint8

// Types.
const (
	Discover Type = iota + 1
	Offer
	Request
	Decline
	Ack
	Nak
	Release
	Inform
)

// Options (RFC 2132).
const (
	OptionHostName uint8 = 12
	OptionOverload uint8 = 52
	OptionType     uint8 = 53
	OptionServerID uint8 = 54

	optionPad uint8 = 0
	optionEnd uint8 = 255
)

// Offsets in a message (RFC 2131, section 2).
const (
	v4HardwareLen = 2
	v4XID         = 4
	v4YourAddr    = 16
	v4Hardware    = 28
	v4ServerName  = 44
	v4File        = 108
	v4Cookie      = 236
	v4Options     = 240

	cookie = 0x63825363 // start of the options
)

// V4 is a message for IPv4: a view that borrows the parsed bytes.
type V4 []byte

// ParseV4 returns the message in b. It returns [ErrTruncated] if b ends before the options, and
// [ErrMalformed] for BOOTP without options.
func ParseV4(b []byte) (V4, error) {
	if len(b) < v4Options {
		return nil, ErrTruncated
	}
	if binary.BigEndian.Uint32(b[v4Cookie:]) != cookie {
		return nil, ErrMalformed
	}
	return b, nil
}

// XID returns the transaction ID that the client chose.
func (m V4) XID() uint32 { return binary.BigEndian.Uint32(m[v4XID:]) }

// YourAddr returns the address assigned to the client, or 0.0.0.0 if the message has none.
func (m V4) YourAddr() netip.Addr { return netip.AddrFrom4([4]byte(m[v4YourAddr:])) }

// HardwareAddr returns the client's hardware address, of up to 16 bytes. It borrows from m.
func (m V4) HardwareAddr() []byte {
	return m[v4Hardware : v4Hardware+min(int(m[v4HardwareLen]), 16)]
}

// Type returns the type, 0 if the message has none.
func (m V4) Type() Type {
	if v, ok := m.Option(OptionType); ok && len(v) == 1 {
		return Type(v[0])
	}
	return 0
}

// Option returns the value of the first option with a code. Options may continue in the fields for
// the boot file and the server's name (RFC 2132, section 9.3). The value borrows from m.
func (m V4) Option(code uint8) (value []byte, ok bool) {
	if v, ok := find(m[v4Options:], code); ok || code == OptionOverload {
		return v, ok
	}
	overload, ok := find(m[v4Options:], OptionOverload)
	if !ok || len(overload) != 1 {
		return nil, false
	}
	if overload[0]&1 != 0 {
		if v, ok := find(m[v4File:v4Cookie], code); ok {
			return v, true
		}
	}
	if overload[0]&2 != 0 {
		return find(m[v4ServerName:v4File], code)
	}
	return nil, false
}

// find looks for an option with a code of one byte and a length of one byte.
func find(b []byte, code uint8) ([]byte, bool) {
	for len(b) > 0 && b[0] != optionEnd {
		if b[0] == optionPad {
			b = b[1:]
			continue
		}
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			break
		}
		n := 2 + int(b[1])
		if b[0] == code {
			return b[2:n:n], true
		}
		b = b[n:]
	}
	return nil, false
}

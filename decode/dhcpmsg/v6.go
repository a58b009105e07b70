package dhcpmsg

import "encoding/binary"

// TypeV6 is the type of a message for IPv6 (RFC 8415, section 7.3).
type TypeV6 uint8

// Types for IPv6.
const (
	Solicit TypeV6 = iota + 1
	Advertise
	RequestV6
	Confirm
	Renew
	Rebind
	Reply
	ReleaseV6
	DeclineV6
	Reconfigure
	InformationRequest
	RelayForward
	RelayReply
)

// Options for IPv6.
const (
	OptionServerIDV6     uint16 = 2 // the server (RFC 8415, section 21.3)
	OptionRelayMessageV6 uint16 = 9 // the message that a relay agent forwards (section 21.10)
)

const (
	v6Header = 4  // type and transaction ID
	v6Relay  = 34 // type, hop count, link address, peer address
	v6Option = 4  // code and length

	maxRelays = 8 // HOP_COUNT_LIMIT of RFC 8415, section 7.6
)

// V6 is a message for IPv6: a view that borrows the parsed bytes.
type V6 []byte

// ParseV6 returns the message in b, or [ErrTruncated].
func ParseV6(b []byte) (V6, error) {
	if len(b) < v6Header || V6(b).relayed() && len(b) < v6Relay {
		return nil, ErrTruncated
	}
	return b, nil
}

// Type returns the type.
func (m V6) Type() TypeV6 { return TypeV6(m[0]) }

func (m V6) relayed() bool { return m.Type() == RelayForward || m.Type() == RelayReply }

// Option returns the value of the first option with a code, which borrows from m. It does not look
// into a relayed message.
func (m V6) Option(code uint16) (value []byte, ok bool) {
	b := m[v6Header:]
	if m.relayed() {
		b = m[v6Relay:]
	}
	for len(b) >= v6Option {
		n := v6Option + int(binary.BigEndian.Uint16(b[2:]))
		if n > len(b) {
			break
		}
		if binary.BigEndian.Uint16(b) == code {
			return b[v6Option:n:n], true
		}
		b = b[n:]
	}
	return nil, false
}

// Innermost returns the message that relay agents forward: m itself if it is not relayed. It
// returns [ErrTruncated] if that message is cut or missing, or if too many relay agents forwarded
// it.
func (m V6) Innermost() (V6, error) {
	for range maxRelays + 1 {
		if !m.relayed() {
			return m, nil
		}
		inner, ok := m.Option(OptionRelayMessageV6)
		if !ok {
			return nil, ErrTruncated
		}
		var err error
		if m, err = ParseV6(inner); err != nil {
			return nil, err
		}
	}
	return nil, ErrTruncated
}

package dnsmsg

import "net/netip"

// EDNS is the OPT pseudo-record of a message (RFC 6891 section 6.1).
type EDNS struct {
	UDPSize uint16 // largest datagram that the sender accepts, bytes
	RCode   RCode  // the complete response code: 12 bits, including the header's
	Version uint8
	DO      bool // DNSSEC records are welcome (RFC 3225)
	options []byte
}

// EDNS returns the message's first OPT record in the additional section.
func (m Message) EDNS() (EDNS, bool) {
	if m.ARCount() == 0 {
		return EDNS{}, false
	}
	o := m.opt()
	if o == nil {
		return EDNS{}, false
	}
	return o.EDNS(m), true
}

// Option codes (https://www.iana.org/assignments/dns-parameters).
const (
	OptionNSID   = 3  // identifier of the server (RFC 5001)
	OptionECS    = 8  // client subnet (RFC 7871)
	OptionCookie = 10 // RFC 7873
	OptionEDE    = 15 // extended error (RFC 8914)
)

// Options is a cursor over EDNS options.
type Options struct {
	rest []byte
	code uint16
	data []byte
}

// Options returns a cursor in front of the first option.
func (e EDNS) Options() Options { return Options{rest: e.options} }

// Next advances to the next option. It returns false at the end, or if the rest is too short for
// one.
func (o *Options) Next() bool {
	if len(o.rest) < 4 {
		return false
	}
	n := 4 + int(be16(o.rest[2:]))
	if n > len(o.rest) {
		return false
	}
	o.code, o.data, o.rest = be16(o.rest), o.rest[4:n:n], o.rest[n:]
	return true
}

// Code returns the code of the current option.
func (o *Options) Code() uint16 { return o.code }

// Data returns the data of the current option. It borrows from the message.
func (o *Options) Data() []byte { return o.data }

// Option returns the data of the first option with a code.
func (e EDNS) Option(code uint16) ([]byte, bool) {
	for o := e.Options(); o.Next(); {
		if o.code == code {
			return o.data, true
		}
	}
	return nil, false
}

// ECS is a client subnet (RFC 7871 section 6).
type ECS struct {
	// bits behind the prefix are zero; invalid if the prefix is 0: the client refuses a subnet
	Addr   netip.Addr
	Source uint8 // prefix length, bits
	Scope  uint8 // prefix length that the answer is valid for, bits
}

// ClientSubnet returns the message's client subnet option, wherever it is in the OPT record. Unlike
// pktvisor, which checks only the first option and reads eight bytes of an IPv6 address, it reads
// all options and the whole address.
func (m Message) ClientSubnet() (ECS, bool) {
	edns, ok := m.EDNS()
	if !ok {
		return ECS{}, false
	}
	data, ok := edns.Option(OptionECS)
	if !ok {
		return ECS{}, false
	}
	return parseECS(data)
}

func parseECS(data []byte) (ECS, bool) {
	if len(data) < 4 {
		return ECS{}, false
	}
	e := ECS{Source: data[2], Scope: data[3]}
	var wide [16]byte
	n := copy(wide[:], data[4:])
	switch family := be16(data); {
	case n == 0 && (family == 1 || family == 2):
		return e, true
	case family == 1 && e.Source <= 32:
		e.Addr = netip.AddrFrom4([4]byte(wide[:4]))
	case family == 2 && e.Source <= 128:
		e.Addr = netip.AddrFrom16(wide)
	default:
		return ECS{}, false
	}
	prefix, err := e.Addr.Prefix(int(e.Source))
	if err != nil || e.Source == 0 {
		e.Addr = netip.Addr{}
		return e, true
	}
	e.Addr = prefix.Addr()
	return e, true
}

// Cookie returns the client's and the server's part of the cookie (RFC 7873 section 4). The
// server's may be empty.
func (e EDNS) Cookie() (client, server []byte, ok bool) {
	data, ok := e.Option(OptionCookie)
	if !ok || len(data) != 8 && (len(data) < 16 || len(data) > 40) {
		return nil, nil, false
	}
	return data[:8], data[8:], true
}

// ExtendedError returns the first extended error (RFC 8914 section 2): its info code, and text in
// UTF-8 that may be empty. A message may have several: read the others with [EDNS.Options].
func (e EDNS) ExtendedError() (code ExtendedError, text []byte, ok bool) {
	data, ok := e.Option(OptionEDE)
	if !ok || len(data) < 2 {
		return 0, nil, false
	}
	return ExtendedError(be16(data)), data[2:], true
}

// OptionSet is a set of options that a message has.
type OptionSet uint8

// The options of an OptionSet.
const (
	HasNSID OptionSet = 1 << iota
	HasClientSubnet
	HasCookie
	HasExtendedError
)

// OptionSet returns the options that o has, whatever their data.
func (o OPT) OptionSet() OptionSet {
	if len(o) <= 10 {
		return 0
	}
	return o.optionSet()
}

func (o OPT) optionSet() (set OptionSet) {
	for rest := o[10:]; len(rest) >= 4; {
		n := 4 + int(be16(rest[2:]))
		if n > len(rest) {
			break
		}
		if code := be16(rest); int(code) < len(optionBits) {
			set |= optionBits[code]
		}
		rest = rest[n:]
	}
	return set
}

var optionBits = [...]OptionSet{
	OptionNSID: HasNSID, OptionECS: HasClientSubnet, OptionCookie: HasCookie, OptionEDE: HasExtendedError,
}

// ExtendedError returns the info code of the current option. It returns false if the option is not
// an extended error.
func (o *Options) ExtendedError() (ExtendedError, bool) {
	if o.code != OptionEDE || len(o.data) < 2 {
		return 0, false
	}
	return ExtendedError(be16(o.data)), true
}

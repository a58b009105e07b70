package dnstapmsg

import (
	"net"
	"net/netip"
	"time"
)

// Type combines the role of the server that logged a message and the direction of the message.
type Type uint8

// The types. Queries have odd numbers, and their responses the next number.
const (
	AuthQuery Type = iota + 1
	AuthResponse
	ResolverQuery
	ResolverResponse
	ClientQuery
	ClientResponse
	ForwarderQuery
	ForwarderResponse
	StubQuery
	StubResponse
	ToolQuery
	ToolResponse
	UpdateQuery
	UpdateResponse
)

// Query reports whether t is a query, not a response.
func (t Type) Query() bool { return t&1 == 1 }

// Family returns the query type of t, which both directions share.
func (t Type) Family() Type { return t - 1 + t&1 }

// Served reports whether the server that logged the message answers queries of this type: as
// authority, as resolver for clients, or for updates. Otherwise it sent the query.
func (t Type) Served() bool {
	f := t.Family()
	return f == AuthQuery || f == ClientQuery || f == UpdateQuery
}

// Families is a set of families of types. All unknown types are one.
type Families uint16

// Add adds the family of t.
func (f *Families) Add(t Type) { *f |= t.bit() }

// Has reports whether f has the family of t.
func (f Families) Has(t Type) bool { return f&t.bit() != 0 }

func (t Type) bit() Families { return 1 << min((uint(t)+1)/2, 8) }

// String returns the name of t's family in pktvisor's filters: "auth", "resolver", "client",
// "forwarder", "stub", "tool", "update", or "" for an unknown one.
func (t Type) String() string {
	names := [...]string{"auth", "resolver", "client", "forwarder", "stub", "tool", "update"}
	if i := (int(t) - 1) / 2; t > 0 && i < len(names) {
		return names[i]
	}
	return ""
}

// Protocol is the transport of a message.
type Protocol uint8

// The protocols.
const (
	UDP Protocol = iota + 1
	TCP
	DoT
	DoH
	DNSCryptUDP
	DNSCryptTCP
	DoQ
)

// HTTP is the version of HTTP that carried a message over HTTPS: 1, 2 or 3.
type HTTP uint8

// Message is one dnstap message. Slices borrow from the parsed frame; missing fields are zero.
type Message struct {
	Identity     []byte // of the server
	QueryAddr    []byte // 4 or 16 bytes, of the client
	ResponseAddr []byte // of the server
	Query        []byte // the query as on the wire
	Response     []byte
	Policy       []byte // the operator's policy, for [ParsePolicy]; nil without
	QueryTime    int64  // ns since the Unix epoch
	ResponseTime int64
	QueryPort    uint16
	ResponsePort uint16
	Type         Type
	// socket family, unless the addresses are IPv4 ones in IPv6 (RFC 4291, section 2.5.5.2)
	IPv6     bool
	IPv4     bool // socket family, or IPv4 addresses in IPv6
	Protocol Protocol
	HTTP     HTTP // 0 unless Protocol is DoH
}

// Parse sets m to the message in frame, from which it borrows. It returns [ErrTruncated],
// [ErrMalformed], or [ErrNoMessage] for a frame with other content; then m must not be used.
func Parse(frame []byte, m *Message) error {
	*m = Message{}
	var body []byte
	kind := uint64(0)
	f := fields{rest: frame}
	for f.next() {
		switch f.number {
		case 1:
			m.Identity = f.bytes
		case 14:
			body = f.bytes
		case 15:
			kind = f.value
		}
	}
	switch {
	case f.err != nil:
		return f.err
	case kind != 1 || body == nil: // MESSAGE
		return ErrNoMessage
	}
	return m.parse(body)
}

// parse reads the embedded Message. If a field is repeated, the last one counts, as in protobuf.
func (m *Message) parse(body []byte) error {
	var sec, nsec [2]uint64
	f := fields{rest: body}
	for f.next() {
		switch f.number {
		case 1:
			m.Type = Type(min(f.value, 0xFF))
		case 2:
			m.IPv4, m.IPv6 = f.value == 1, f.value == 2
		case 3:
			m.Protocol = Protocol(min(f.value, 0xFF))
		case 4:
			m.QueryAddr = f.bytes
		case 5:
			m.ResponseAddr = f.bytes
		case 6:
			m.QueryPort = port(f.value)
		case 7:
			m.ResponsePort = port(f.value)
		case 8:
			sec[0] = f.value
		case 9:
			nsec[0] = f.value
		case 10:
			m.Query = f.bytes
		case 12:
			sec[1] = f.value
		case 13:
			nsec[1] = f.value
		case 14:
			m.Response = f.bytes
		case 15:
			m.Policy = f.bytes
		case 16:
			m.HTTP = HTTP(f.value)
			if f.value > 3 {
				m.HTTP = 0
			}
		}
	}
	m.QueryTime, m.ResponseTime = unixNano(sec[0], nsec[0]), unixNano(sec[1], nsec[1])
	if m.Protocol != DoH {
		// dnstap.proto sets it only for DoH; other senders use field 16 for something else
		m.HTTP = 0
	}
	if m.IPv6 && m.mapped() {
		m.IPv4, m.IPv6 = true, false
	}
	switch {
	case f.err != nil:
		return f.err
	case m.Type == 0:
		return ErrNoMessage
	}
	return nil
}

// port returns v, or 0 if it is not a port.
func port(v uint64) uint16 {
	if v > 0xFFFF {
		return 0
	}
	return uint16(v)
}

// unixNano returns a time in ns, or 0 if it exceeds an int64 (the year 2262).
func unixNano(sec, nsec uint64) int64 {
	if sec > 1<<33 || nsec >= uint64(time.Second) {
		return 0
	}
	return int64(sec)*int64(time.Second) + int64(nsec)
}

// SetClient sets the client from the remote address of a connection: a *net.UDPAddr or
// *net.TCPAddr, which also sets the transport. It ignores other types. m borrows the address.
func (m *Message) SetClient(addr net.Addr) {
	var ip net.IP
	switch a := addr.(type) {
	case *net.UDPAddr:
		m.Protocol, ip, m.QueryPort = UDP, a.IP, uint16(a.Port)
	case *net.TCPAddr:
		m.Protocol, ip, m.QueryPort = TCP, a.IP, uint16(a.Port)
	}
	v4, v6 := ip.To4(), ip.To16()
	switch {
	case v4 != nil:
		m.IPv4, m.IPv6, m.QueryAddr = true, false, v4
	case v6 != nil:
		m.IPv4, m.IPv6, m.QueryAddr = false, true, v6
	}
}

// Wire returns the DNS message in wire format: the query for a query type, the response for a
// response type. It returns nil if m does not contain it.
func (m *Message) Wire() []byte {
	if m.Type.Query() {
		return m.Query
	}
	return m.Response
}

// TimeNS returns the time of that message, or 0 if m has none. A response without a time has its
// query's time.
func (m *Message) TimeNS() int64 {
	if !m.Type.Query() && m.ResponseTime != 0 {
		return m.ResponseTime
	}
	return m.QueryTime
}

// Addrs returns the source and the destination of the message. Missing addresses are zero, and so
// are addresses that do not match the socket family.
func (m *Message) Addrs() (src, dst netip.AddrPort) {
	src, dst = m.Ends()
	if !m.Type.Query() {
		src, dst = dst, src
	}
	return src, dst
}

// Ends returns the ends of the exchange: the client that sent the query and the server that answers
// it. Missing ends are zero, as in Addrs.
func (m *Message) Ends() (asked, answers netip.AddrPort) {
	return m.addr(m.QueryAddr, m.QueryPort), m.addr(m.ResponseAddr, m.ResponsePort)
}

func (m *Message) addr(b []byte, port uint16) netip.AddrPort {
	switch {
	case m.IPv4 && len(b) == 4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b)), port)
	case m.IPv6 && len(b) == 16, m.IPv4 && isMapped(b):
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b)).Unmap(), port)
	}
	return netip.AddrPortFrom(netip.Addr{}, port)
}

// mapped reports whether all present addresses, one or two, are IPv4 addresses in IPv6: a server
// with one socket for both families logs them so.
func (m *Message) mapped() bool {
	asked, answers := m.QueryAddr, m.ResponseAddr
	return (isMapped(asked) || len(asked) == 0) && (isMapped(answers) || len(answers) == 0) && len(asked)+len(answers) > 0
}

func isMapped(b []byte) bool {
	return len(b) == 16 && string(b[:12]) == "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xFF\xFF"
}

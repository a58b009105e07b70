package dhcp

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"visor/decode"
	"visor/decode/dhcpmsg"
	"visor/handler"
	"visor/handler/metric"
	"visor/internal/flowtable"
	"visor/sketch"
)

// Metrics holds the counts of a Handler.
type Metrics struct {
	// As in pktvisor, unreadable messages are in Total.
	handler.EventCounts  `with:"what=DHCP and DHCPv6 messages events=wire_packets.events deep=wire_packets.deep_samples rate=events filtered=wire_packets.filtered group="`
	handler.PassedCounts `with:"what=DHCP and DHCPv6 messages total=wire_packets.total rate=total group="`

	Discover  sketch.Counter `metric:"wire_packets.discover" total:"messages_by_type type=DISCOVER" help:"DHCP messages of type DISCOVER"`
	Offer     sketch.Counter `metric:"wire_packets.offer" total:"messages_by_type type=OFFER" help:"DHCP messages of type OFFER"`
	Request   sketch.Counter `metric:"wire_packets.request" total:"messages_by_type type=REQUEST" help:"DHCP messages of type REQUEST"`
	Ack       sketch.Counter `metric:"wire_packets.ack" total:"messages_by_type type=ACK" help:"DHCP messages of type ACK"`
	Solicit   sketch.Counter `metric:"wire_packets.solicit" total:"dhcpv6_messages_by_type type=SOLICIT" help:"DHCPv6 messages of type SOLICIT"`
	Advertise sketch.Counter `metric:"wire_packets.advertise" total:"dhcpv6_messages_by_type type=ADVERTISE" help:"DHCPv6 messages of type ADVERTISE"`
	RequestV6 sketch.Counter `metric:"wire_packets.request_v6" total:"dhcpv6_messages_by_type type=REQUEST" help:"DHCPv6 messages of type REQUEST"`
	Reply     sketch.Counter `metric:"wire_packets.reply" total:"dhcpv6_messages_by_type type=REPLY" help:"DHCPv6 messages of type REPLY"`

	TopClients metric.TopNames `metric:"top_clients" label:"client" help:"clients that got an address: MAC address, name, address"`
	TopServers metric.TopNames `metric:"top_servers" label:"server" help:"servers: MAC address, address"`
}

// Config configures a Handler. The zero Config is ready to use. The handler does not have metric
// groups or filters.
type Config struct {
	handler.Settings

	_ struct{} `policy:"recorded_stream" help:"has no effect: the pipeline detects recordings"`

	// Timeout is the time that a request stays open; 0 means 5 s.
	Timeout time.Duration `policy:"xact_ttl_secs,xact_ttl_ms" help:"a REQUEST unanswered for this long is forgotten"`
}

// maxRequests bounds the memory of open requests; the oldest are evicted first.
const maxRequests = 1 << 14

// Handler is the DHCP analyzer.
type Handler struct {
	handler.Declared[Metrics]
	timeout time.Duration
}

var _ handler.Handler = (*Handler)(nil)

// New returns a Handler, or an error listing all problems in cfg.
func New(cfg Config) (*Handler, error) {
	d, err := handler.Declare[Metrics](handler.Spec{Type: "dhcp"}, cfg.Settings)
	if cfg.Timeout < 0 {
		err = errors.Join(err, fmt.Errorf("dhcp: Timeout %v must not be negative", cfg.Timeout))
	}
	if err != nil {
		return nil, err
	}
	return &Handler{d, cmp.Or(cfg.Timeout, 5*time.Second)}, nil
}

// From returns the metrics of the first dhcp handler in s, or nil without one.
func From(s *handler.Snapshot) *Metrics { return handler.Find[Metrics](s) }

// NewShard returns the part of h for one worker.
func (h *Handler) NewShard() handler.Shard {
	return &shard{
		Base: h.NewBase(),
		open: flowtable.New[request](flowtable.Config{Capacity: maxRequests, TTL: h.timeout}),
		ttl:  int64(h.timeout),
	}
}

type shard struct {
	handler.Base[Metrics]
	open *flowtable.Table[request] // by transaction ID
	ttl  int64                     // ns
	text []byte
}

// request is the state kept for a REQUEST.
type request struct {
	mac  [6]byte
	name [maxName]byte
	len  uint8 // length of name
}

const maxName = 63 // a label of a domain name (RFC 1035, section 2.3.4), because a host name is one

// Process counts the batch's DHCP messages.
func (s *shard) Process(b *handler.Batch) {
	for i := range b.Packets {
		frame := &b.Packets[i]
		p := frame.Innermost()
		if !p.Layers.Has(decode.LayerUDP) {
			continue
		}
		switch src, dst := p.Src.Port(), p.Dst.Port(); {
		case isV4(src) || isV4(dst):
			s.Enter(frame.TimeNS)
			s.v4(frame, p)
		case isV6(src) || isV6(dst):
			s.Enter(frame.TimeNS)
			s.v6(frame, p)
		}
	}
}

func isV4(port uint16) bool { return port == 67 || port == 68 }
func isV6(port uint16) bool { return port == 546 || port == 547 }

// event counts a readable or unreadable message, and reports whether lists count it.
func (s *shard) event(err error) (deep bool) {
	e := &s.Events
	e.Offered++
	deep = s.Sampler.Deep()
	switch {
	case err != nil:
		e.Undecodable++
		s.Live.Total.Add(1)
		s.Live.RateTotal.Add(e.Unix(), 1)
		if deep {
			e.DeepLost++
		}
	case deep:
		e.Deep++
	}
	return deep
}

func (s *shard) v4(frame, p *decode.Packet) {
	m, err := dhcpmsg.ParseV4(p.Payload)
	deep := s.event(err)
	if err != nil {
		return
	}
	switch m.Type() {
	case dhcpmsg.Discover:
		s.Live.Discover.Add(1)
	case dhcpmsg.Offer:
		s.Live.Offer.Add(1)
		if deep {
			s.offered(frame, m)
		}
	case dhcpmsg.Request:
		s.Live.Request.Add(1)
		s.requested(frame.TimeNS, m)
	case dhcpmsg.Ack:
		s.Live.Ack.Add(1)
		s.acknowledged(frame.TimeNS, m, deep)
	}
}

// v6 counts a message by its type. A message forwarded by a relay agent counts by its contents.
// pktvisor looks only at the outer type, which none of its counters covers.
func (s *shard) v6(frame, p *decode.Packet) {
	m, err := dhcpmsg.ParseV6(p.Payload)
	if err == nil {
		m, err = m.Innermost()
	}
	deep := s.event(err)
	if err != nil {
		return
	}
	switch m.Type() {
	case dhcpmsg.Solicit:
		s.Live.Solicit.Add(1)
		return
	case dhcpmsg.RequestV6:
		s.Live.RequestV6.Add(1)
		return
	case dhcpmsg.Advertise:
		s.Live.Advertise.Add(1)
	case dhcpmsg.Reply:
		s.Live.Reply.Add(1)
	default:
		return
	}
	if _, ok := m.Option(dhcpmsg.OptionServerIDV6); ok && deep {
		s.server(frame, p.Src.Addr())
	}
}

// offered counts a server that identifies itself.
func (s *shard) offered(frame *decode.Packet, m dhcpmsg.V4) {
	if id, ok := m.Option(dhcpmsg.OptionServerID); ok && len(id) == 4 {
		s.server(frame, netip.AddrFrom4([4]byte(id)))
	}
}

// server counts a server by the MAC address of its frame and its own address.
func (s *shard) server(frame *decode.Packet, addr netip.Addr) {
	if !frame.Layers.Has(decode.LayerEthernet) || len(frame.Frame) < 12 {
		return
	}
	s.text = s.appendMAC(s.text[:0], frame.Frame[6:12])
	s.text = s.Shown.Addr(addr).AppendTo(append(s.text, '/'))
	s.Live.TopServers.Add(s.Hash.Sum(s.text), s.text, 1)
}

// requested opens a transaction.
func (s *shard) requested(tsNS int64, m dhcpmsg.V4) {
	r := s.open.Put(s.Hash.Uint64(uint64(m.XID())), tsNS)
	*r = request{}
	copy(r.mac[:], m.HardwareAddr())
	name, _ := m.Option(dhcpmsg.OptionHostName)
	r.len = uint8(copy(r.name[:], name))
}

// acknowledged ends a transaction, and counts the client if it received an address.
func (s *shard) acknowledged(tsNS int64, m dhcpmsg.V4, deep bool) {
	r, begun, ok := s.open.Take(s.Hash.Uint64(uint64(m.XID())))
	addr := m.YourAddr()
	if !ok || tsNS-begun >= s.ttl || addr.IsUnspecified() || !deep {
		return
	}
	s.text = s.appendMAC(s.text[:0], r.mac[:])
	s.text = s.appendName(append(s.text, '/'), r.name[:r.len])
	s.text = s.Shown.Addr(addr).AppendTo(append(s.text, '/'))
	s.Live.TopClients.Add(s.Hash.Sum(s.text), s.text, 1)
}

// appendMAC appends a MAC address. If addresses are anonymized, only the first half is shown, which
// identifies the maker (IEEE 802).
func (s *shard) appendMAC(dst, mac []byte) []byte {
	const digits = "0123456789abcdef"
	if s.Shown != nil {
		mac = []byte{mac[0], mac[1], mac[2], 0, 0, 0}
	}
	for i, b := range mac {
		if i > 0 {
			dst = append(dst, ':')
		}
		dst = append(dst, digits[b>>4], digits[b&0xF])
	}
	return dst
}

// appendName appends a host name. It replaces characters outside printable ASCII, which are invalid
// in names, with a question mark. If addresses are anonymized, it leaves out the name, which often
// identifies a person.
func (s *shard) appendName(dst, name []byte) []byte {
	if s.Shown != nil {
		return append(dst, '-')
	}
	start := len(dst)
	for _, b := range name {
		if b == 0 { // some clients send the terminator of a C string
			break
		}
		if b < ' ' || b > '~' {
			b = '?'
		}
		dst = append(dst, b)
	}
	if len(dst) == start {
		return append(dst, "Unknown"...)
	}
	return dst
}

// Shift closes the live period.
func (s *shard) Shift(startNS int64) {
	s.open.Expire(startNS)
	s.Base.Shift(startNS)
}

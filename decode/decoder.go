package decode

import (
	"errors"
	"time"
)

// The errors of Decode.
var (
	ErrUnknownLink = errors.New("decode: unknown link type")
	ErrTruncated   = errors.New("decode: truncated")
	ErrMalformed   = errors.New("decode: malformed")
)

// LinkFallback decodes link types that this package does not support. Implementations wrap other
// libraries; they must not panic.
type LinkFallback interface {
	// Network returns the EtherType and the bytes of the network layer of a frame. The bytes borrow
	// from the frame.
	Network(link LinkType, frame []byte) (etherType uint16, payload []byte, ok bool)
}

// Config configures a Decoder. The zero Config is ready to use.
type Config struct {
	Fallback LinkFallback // nil: frames of unknown link types are undecodable

	// Reassembly of IP fragments: datagrams that may be incomplete at once (0 means 1024), bytes
	// that they may hold together (0 means 4 MiB), and how long one waits for its fragments in
	// packet time. 0 means 60 s: RFC 791 suggests at least 15 s, RFC 8200 section 4.5 requires 60
	// s.
	MaxDatagrams  int
	MaxFragBytes  int
	FragmentAfter time.Duration
}

// maxDepth bounds the nesting of tunnels.
const maxDepth = 8

// Decoder decodes frames. A Decoder is owned by one goroutine.
type Decoder struct {
	fallback LinkFallback
	frags    *reassembler // nil in a FlowHasher
	piece    piece        // used without frags: the outermost fragment of the frame
	inner    []*Packet    // packets lent out as Inner, then free ones
	lent     int
	depth    int
}

// NewDecoder returns a Decoder.
func NewDecoder(cfg Config) *Decoder {
	return &Decoder{fallback: cfg.Fallback, frags: newReassembler(cfg)}
}

// Reset takes back the memory that packets of the last batch borrow from the Decoder: their Inner
// packets and reassembled datagrams.
func (d *Decoder) Reset() {
	d.lent = 0
	d.frags.recycle()
}

// Stats counts the work of reassembly.
type Stats struct {
	Fragments   uint64 // fragments seen
	Reassembled uint64 // datagrams completed
	Evicted     uint64 // datagrams dropped to make room, or because fragments overlapped
	Expired     uint64 // datagrams dropped because fragments did not arrive in time
}

// Stats returns the counts since the Decoder was made.
func (d *Decoder) Stats() Stats { return d.frags.stats }

// Decode sets all fields of p from TimeNS, Frame, WireLen and Link. It returns an error if the link
// type is unknown, or a header up to the network layer is cut or contradicts itself. p then holds
// the layers found before. Frames of other network protocols are not an error.
func (d *Decoder) Decode(p *Packet) error {
	if p.Link == LinkEthernet && p.plain() {
		return nil
	}
	p.Layers, p.Inner, p.Payload, p.Cut, p.Proto, p.Dir = 0, nil, nil, 0, 0, Unknown
	if p.Link == LinkEthernet && len(p.Frame) >= ethernetHeaderLen {
		p.Layers = LayerEthernet
		return d.network(p, be16(p.Frame[12:]), p.Frame[ethernetHeaderLen:])
	}
	etherType, rest, err := d.link(p, p.Link, p.Frame)
	if err != nil {
		p.Layers |= LayerMalformed
		return err
	}
	return d.network(p, etherType, rest)
}

// enclosed decodes b as a packet inside p, beginning with etherType, and makes it p's Inner if it
// contains IP.
func (d *Decoder) enclosed(p *Packet, etherType uint16, b []byte) {
	if d.depth >= maxDepth {
		return
	}
	q := d.lend(p, b)
	d.depth++
	_ = d.network(q, etherType, b) // an error in a tunnel does not concern the frame
	d.depth--
	if q.Layers.Has(LayerIP) {
		p.Inner = q
	}
}

// lend returns a free packet for the bytes b inside p.
func (d *Decoder) lend(p *Packet, b []byte) *Packet {
	if d.lent == len(d.inner) {
		d.inner = append(d.inner, new(Packet))
	}
	q := d.inner[d.lent]
	d.lent++
	*q = Packet{TimeNS: p.TimeNS, Frame: b, WireLen: uint32(len(b)), Link: LinkRaw}
	return q
}

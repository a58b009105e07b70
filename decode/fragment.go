package decode

import (
	"net/netip"
	"time"
)

// fragment is the part of a datagram in one packet.
type fragment struct {
	id     uint32
	proto  uint8
	offset int // offset of data in the datagram
	more   bool
	data   []byte
}

const maxDatagram = 65535

// fragment decodes a fragment. The first fragment has a transport header. The one that completes a
// datagram has the datagram as its Inner packet.
func (d *Decoder) fragment(p *Packet, f fragment) {
	if d.frags == nil {
		d.pieceOf(p, f)
		return
	}
	p.Layers |= LayerFragment
	if f.offset == 0 {
		d.transport(p, f.data)
	}
	d.frags.stats.Fragments++
	if p.Cut > 0 || d.depth >= maxDepth {
		return // a hole that can never be filled
	}
	whole, proto := d.frags.add(p, f)
	if whole == nil {
		return
	}
	q := d.lend(p, whole)
	q.Src, q.Dst = netip.AddrPortFrom(p.Src.Addr(), 0), netip.AddrPortFrom(p.Dst.Addr(), 0)
	q.Layers = p.Layers & LayerIP
	q.Proto = proto
	d.depth++
	if q.Layers.Has(LayerIPv6) {
		_ = d.extensions(q, whole)
	} else {
		d.transport(q, whole)
	}
	d.depth--
	p.Inner = q
}

// reassembler reassembles IP datagrams (RFC 791 section 3.2, RFC 8200 section 4.5). Its memory is
// bounded; it first evicts the datagrams whose last fragment came longest ago.
type reassembler struct {
	open map[fragKey]*datagram
	// a ring: order.newer is the least recently used datagram, order.older the most recently
	order datagram
	free  []*datagram
	whole []byte // holds completed datagrams until recycle
	bytes int    // sum of the sizes of open datagrams
	stats Stats

	maxDatagrams int
	maxBytes     int
	timeout      int64
}

type fragKey struct {
	src, dst [16]byte
	id       uint32
	proto    uint8 // IPv4 only: IPv6 identifies by addresses and id
	v4       bool
}

func newReassembler(cfg Config) *reassembler {
	r := &reassembler{
		open:         make(map[fragKey]*datagram),
		maxDatagrams: cfg.MaxDatagrams,
		maxBytes:     cfg.MaxFragBytes,
		timeout:      int64(cfg.FragmentAfter),
	}
	r.order.older, r.order.newer = &r.order, &r.order
	if r.maxDatagrams <= 0 {
		r.maxDatagrams = 1024
	}
	if r.maxBytes <= 0 {
		r.maxBytes = 4 << 20
	}
	if r.timeout <= 0 {
		r.timeout = int64(time.Minute)
	}
	return r
}

// add adds a fragment. It returns the datagram that this completes and its protocol, or nil. The
// bytes are lent until recycle.
func (r *reassembler) add(p *Packet, f fragment) ([]byte, uint8) {
	end := f.offset + len(f.data)
	if end > maxDatagram || f.more && len(f.data)%8 != 0 || len(f.data) == 0 {
		return nil, 0
	}
	d := r.datagram(p, f)
	before := d.size()
	sound := d.fill(f, end, p.Layers.Has(LayerIPv6))
	r.bytes += d.size() - before
	switch {
	case !sound:
		r.remove(d)
		r.stats.Evicted++
		return nil, 0
	case d.whole():
		r.stats.Reassembled++
		whole := r.lend(d.total)
		d.copyTo(whole)
		r.remove(d)
		return whole, d.proto
	}
	for r.bytes > r.maxBytes && r.order.newer != d {
		r.evict()
	}
	return nil, 0
}

// datagram returns the datagram of a fragment and makes it the most recently used one.
func (r *reassembler) datagram(p *Packet, f fragment) *datagram {
	key := fragKey{src: p.Src.Addr().As16(), dst: p.Dst.Addr().As16(), id: f.id}
	if p.Layers.Has(LayerIPv4) {
		key.proto, key.v4 = f.proto, true
	}
	d := r.open[key]
	if d != nil && p.TimeNS-d.timeNS > r.timeout {
		r.remove(d)
		r.stats.Expired++
		d = nil
	}
	if d == nil {
		return r.start(key, p.TimeNS)
	}
	d.unlink()
	r.append(d)
	return d
}

func (r *reassembler) start(key fragKey, now int64) *datagram {
	for len(r.open) >= r.maxDatagrams {
		r.evict()
	}
	var d *datagram
	if n := len(r.free); n > 0 {
		d, r.free = r.free[n-1], r.free[:n-1]
	} else {
		d = new(datagram)
	}
	*d = datagram{key: key, data: d.data[:0], parts: d.parts[:0], have: d.have[:0], total: -1, timeNS: now}
	r.bytes += d.size()
	r.open[key] = d
	r.append(d)
	return d
}

// append makes d the most recently used datagram.
func (r *reassembler) append(d *datagram) {
	d.older, d.newer = r.order.older, &r.order
	d.older.newer, d.newer.older = d, d
}

func (d *datagram) unlink() {
	d.older.newer, d.newer.older = d.newer, d.older
	d.older, d.newer = nil, nil
}

// evict drops the least recently used datagram.
func (r *reassembler) evict() {
	r.remove(r.order.newer)
	r.stats.Evicted++
}

// remove removes d from the open ones. Its memory is reused unless it is large.
func (r *reassembler) remove(d *datagram) {
	const keep, large = 64, 8 << 10
	delete(r.open, d.key)
	d.unlink()
	r.bytes -= d.size()
	if len(r.free) < keep && d.size() <= large {
		r.free = append(r.free, d)
	}
}

// Sizes of the memory for completed datagrams of one batch.
const (
	smallWhole = 64 << 10
	largeWhole = 1 << 20 // larger memory is freed
)

// lend returns n bytes for a completed datagram. They stay untouched until recycle.
func (r *reassembler) lend(n int) []byte {
	// packets that borrow the old memory keep it alive
	if cap(r.whole)-len(r.whole) < n {
		r.whole = make([]byte, 0, max(n, min(2*cap(r.whole), largeWhole), smallWhole))
	}
	at := len(r.whole)
	r.whole = r.whole[:at+n]
	return r.whole[at : at+n : at+n]
}

// recycle takes back the lent bytes.
func (r *reassembler) recycle() { r.whole = r.whole[:0] }

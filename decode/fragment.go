package decode

import (
	"net/netip"
	"slices"
	"time"
)

// fragment is the part of a datagram that one packet carries.
type fragment struct {
	id     uint32
	proto  uint8
	offset int // of data in the datagram
	more   bool
	data   []byte
}

const maxDatagram = 65535

// fragment decodes a fragment. The first one has a transport header; the one that completes a
// datagram gets it as its Inner packet.
func (d *Decoder) fragment(p *Packet, f fragment) {
	p.Layers |= LayerFragment
	if f.offset == 0 {
		d.transport(p, f.data)
	}
	d.frags.stats.Fragments++
	if p.Cut > 0 || d.depth >= maxDepth {
		return // a hole that nobody fills
	}
	whole := d.frags.add(p, f)
	if whole == nil {
		return
	}
	q := d.lend(p, whole)
	q.Src, q.Dst = netip.AddrPortFrom(p.Src.Addr(), 0), netip.AddrPortFrom(p.Dst.Addr(), 0)
	q.Layers = p.Layers & LayerIP
	q.Proto = d.frags.firstProto
	d.depth++
	if q.Layers.Has(LayerIPv6) {
		_ = d.extensions(q, whole)
	} else {
		d.transport(q, whole)
	}
	d.depth--
	p.Inner = q
}

// reassembler puts IP datagrams together (RFC 791 section 3.2, RFC 8200 section 4.5). Its memory is
// bounded; the oldest datagrams are given up first.
type reassembler struct {
	open  map[fragKey]*datagram
	order []*datagram // by age; those completed or given up are skipped
	free  []*datagram
	done  []*datagram // completed since recycle: their buffers are lent out
	bytes int
	stats Stats

	maxDatagrams int
	maxBytes     int
	timeout      int64
	firstProto   uint8 // protocol of the datagram that add completed last
}

type fragKey struct {
	src, dst netip.Addr
	id       uint32
	proto    uint8 // IPv4 only: IPv6 identifies by addresses and id
}

type datagram struct {
	key    fragKey
	buf    []byte
	have   []span // what is there, sorted, apart from each other
	total  int    // -1 until the last fragment tells
	timeNS int64  // of the first fragment to come
	proto  uint8  // of the fragment at offset 0
	live   bool
}

type span struct{ from, to int }

func newReassembler(cfg Config) reassembler {
	r := reassembler{
		open:         make(map[fragKey]*datagram),
		maxDatagrams: cfg.MaxDatagrams,
		maxBytes:     cfg.MaxFragBytes,
		timeout:      int64(cfg.FragmentAfter),
	}
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

// add adds a fragment. It returns the datagram that is whole with it, or nil. The bytes are lent until
// recycle.
func (r *reassembler) add(p *Packet, f fragment) []byte {
	end := f.offset + len(f.data)
	if end > maxDatagram || f.more && len(f.data)%8 != 0 || len(f.data) == 0 {
		return nil
	}
	key := fragKey{src: p.Src.Addr(), dst: p.Dst.Addr(), id: f.id}
	if p.Layers.Has(LayerIPv4) {
		key.proto = f.proto
	}
	d := r.open[key]
	if d != nil && p.TimeNS-d.timeNS > r.timeout {
		r.giveUp(d)
		r.stats.Expired++
		d = nil
	}
	if d == nil {
		d = r.start(key, p.TimeNS)
	}
	if !r.fill(d, f, end, p.Layers.Has(LayerIPv6)) {
		r.giveUp(d)
		r.stats.Evicted++
		return nil
	}
	if d.total < 0 || len(d.have) != 1 || d.have[0] != (span{0, d.total}) {
		return nil
	}
	r.close(d)
	r.done = append(r.done, d)
	r.stats.Reassembled++
	r.firstProto = d.proto
	return d.buf[:d.total]
}

func (r *reassembler) start(key fragKey, now int64) *datagram {
	for len(r.open) >= r.maxDatagrams {
		r.evictOldest()
	}
	var d *datagram
	if n := len(r.free); n > 0 {
		d, r.free = r.free[n-1], r.free[:n-1]
	} else {
		d = new(datagram)
	}
	*d = datagram{key: key, buf: d.buf[:0], have: d.have[:0], total: -1, timeNS: now, live: true}
	r.open[key] = d
	r.order = append(r.order, d)
	return d
}

// fill copies the fragment's bytes. Of bytes that came before, the first copy stays; in IPv6 an overlap
// that is no exact repetition spoils the datagram (RFC 5722), and fill returns false.
func (r *reassembler) fill(d *datagram, f fragment, end int, v6 bool) bool {
	if f.offset == 0 {
		d.proto = f.proto
	}
	if !f.more {
		if d.total >= 0 && d.total != end {
			return false
		}
		d.total = end
	}
	last := end
	if n := len(d.have); n > 0 {
		last = max(last, d.have[n-1].to)
	}
	if d.total >= 0 && last > d.total {
		return false
	}
	if end > len(d.buf) {
		r.bytes += end - len(d.buf)
		d.buf = slices.Grow(d.buf, end-len(d.buf))[:end] // what stands in holes is filled before anybody reads it
	}
	for r.bytes > r.maxBytes && len(r.open) > 1 {
		if !r.evictOther(d) {
			break
		}
	}
	return d.insert(span{f.offset, end}, f.data, v6)
}

// insert adds s to what is there and copies the bytes that are new.
func (d *datagram) insert(s span, data []byte, v6 bool) bool {
	at, from := 0, s.from
	for at < len(d.have) && d.have[at].to < s.from {
		at++
	}
	merged := s
	last := at
	for last < len(d.have) && d.have[last].from <= s.to {
		h := d.have[last]
		if v6 && h.from < s.to && s.from < h.to && !(h.from <= s.from && s.to <= h.to) {
			return false
		}
		if from < h.from {
			copy(d.buf[from:h.from], data[from-s.from:])
		}
		from = max(from, h.to)
		merged = span{min(merged.from, h.from), max(merged.to, h.to)}
		last++
	}
	if from < s.to {
		copy(d.buf[from:s.to], data[from-s.from:])
	}
	if last == at { // touches nothing
		d.have = append(d.have, span{})
		copy(d.have[at+1:], d.have[at:])
		d.have[at] = merged
		return true
	}
	d.have[at] = merged
	d.have = append(d.have[:at+1], d.have[last:]...)
	return true
}

// close takes d out of the open ones.
func (r *reassembler) close(d *datagram) {
	delete(r.open, d.key)
	d.live = false
	r.bytes -= len(d.buf)
	if len(r.order) > 2*len(r.open)+64 {
		r.sweep()
	}
}

func (r *reassembler) giveUp(d *datagram) { r.close(d) }

// sweep frees what is neither open nor lent out.
func (r *reassembler) sweep() {
	kept := r.order[:0]
	for _, d := range r.order {
		if d.live {
			kept = append(kept, d)
		}
	}
	clear(r.order[len(kept):])
	r.order = kept
}

func (r *reassembler) evictOldest() { r.evictOther(nil) }

// evictOther gives up the oldest datagram that is not d.
func (r *reassembler) evictOther(d *datagram) bool {
	for _, o := range r.order {
		if o.live && o != d {
			r.giveUp(o)
			r.stats.Evicted++
			return true
		}
	}
	return false
}

// recycle takes back the buffers that were lent out.
func (r *reassembler) recycle() {
	const keep = 64
	for _, d := range r.done {
		if len(r.free) < keep {
			r.free = append(r.free, d)
		}
	}
	clear(r.done)
	r.done = r.done[:0]
}

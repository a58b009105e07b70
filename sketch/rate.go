package sketch

import (
	"encoding/binary"
	"iter"
	"math"
	"slices"
)

const (
	rateSlots  = 16384   // seconds, or longer spans, that a Rate holds
	rateBounds = 1 << 40 // accepted seconds before and after 1970
)

// Rate counts events by second. The caller chooses the clock: packet time for recordings, the
// system clock for live streams. A Rate does not store how long it has counted: callers pass a
// number of seconds to [Rate.Over], which includes silent ones.
//
// It is exact over 16,384 seconds, about four and a half hours. For longer times the slots become
// two seconds wide, then four, and so on, and rates are averages over a slot. Memory is 8 bytes per
// slot, at most 128 KiB. A Rate is owned by one goroutine. The zero Rate is ready to use.
type Rate struct {
	slots  []uint64 // events; the first and the last slot are not empty
	base   int64    // number of slots[0], counted from 1970 in units of the width
	shift  uint     // a slot is 1<<shift seconds wide
	within *Seconds // nil accepts any time
}

// Seconds is the time that rates cover, in seconds since 1970. Senders may forge the time of
// events. An event outside, or ahead of Now, counts in the second Now, so that no event extends a
// rate. The zero Seconds covers all of time.
type Seconds struct {
	First, End int64 // from First until before End; all of time unless End is greater
	Now        int64
}

// Within binds r to a time, which r only reads and which may advance. Reset keeps it; Merge and
// CopyFrom do not copy it.
func (r *Rate) Within(s *Seconds) { r.within = s }

// place returns the second in which an event at sec counts.
func (s *Seconds) place(sec int64) int64 {
	if s == nil || s.End <= s.First || sec >= s.First && sec <= s.Now && sec < s.End {
		return sec
	}
	return min(max(s.Now, s.First), s.End-1)
}

// Add adds n events in the second sec since 1970. Seconds may come in any order.
func (r *Rate) Add(sec int64, n uint64) {
	i := sec>>r.shift - r.base
	if uint64(i) < uint64(len(r.slots)) {
		r.slots[i] = sum(r.slots[i], n)
		return
	}
	r.extend(sec, n)
}

// extend is Add for a second outside the slots.
func (r *Rate) extend(sec int64, n uint64) {
	sec = min(max(r.within.place(sec), -rateBounds), rateBounds)
	if len(r.slots) == 0 {
		r.base = sec >> r.shift
		r.slots = append(r.slots, n)
		return
	}
	first, last := r.span(sec)
	for last-first >= rateSlots {
		r.widen()
		first, last = r.span(sec)
	}
	if first < r.base {
		r.slots = slices.Insert(r.slots, 0, make([]uint64, r.base-first)...)
		r.base = first
	}
	for r.base+int64(len(r.slots)) <= last {
		r.slots = append(r.slots, 0)
	}
	i := sec>>r.shift - r.base
	r.slots[i] = sum(r.slots[i], n)
}

// span returns the numbers of the first and the last slot, extended to sec.
func (r *Rate) span(sec int64) (first, last int64) {
	at := sec >> r.shift
	return min(at, r.base), max(at, r.base+int64(len(r.slots))-1)
}

// widen merges pairs of slots. Pairs depend on the time, not on the first slot, so that rates can
// be merged.
func (r *Rate) widen() {
	base, n := r.base>>1, 0
	for i, v := range r.slots {
		j := int((r.base+int64(i))>>1 - base)
		if j == n {
			r.slots[j] = 0
			n++
		}
		r.slots[j] = sum(r.slots[j], v)
	}
	r.slots, r.base = r.slots[:n], base
	r.shift++
}

// Len returns the number of slots from the first to the last with events: seconds, unless these are
// more than 16,384.
func (r *Rate) Len() int { return len(r.slots) }

// Slots returns the start of each slot, in seconds since 1970, and its events, from the first to
// the last slot with events. A slot lasts [Rate.Width] seconds.
func (r *Rate) Slots() iter.Seq2[int64, uint64] {
	return func(yield func(sec int64, n uint64) bool) {
		for i, v := range r.slots {
			if !yield((r.base+int64(i))<<r.shift, v) {
				return
			}
		}
	}
}

// Total returns the number of events.
func (r *Rate) Total() (n uint64) {
	for _, v := range r.slots {
		n = sum(n, v)
	}
	return n
}

// Width returns the width of a slot in seconds: 1, or a greater power of two after a long time.
func (r *Rate) Width() int64 { return 1 << r.shift }

// Max returns the greatest rate in events per second.
func (r *Rate) Max() uint64 {
	if len(r.slots) == 0 {
		return 0
	}
	return slices.Max(r.slots) >> r.shift
}

// Distribution is the distribution of events over seconds. It is immutable.
type Distribution struct {
	n      uint64 // seconds
	slots  uint64
	active []uint64 // counts above 0 per second, in ascending order
	total  uint64
	shift  uint
}

// Over returns the rates of n seconds; those without events are 0. It leaves out the current
// second, which has not ended. If more than n seconds have events, it returns all of these.
func (r *Rate) Over(n uint64, running int64) Distribution {
	d := Distribution{shift: r.shift}
	for i, v := range r.slots {
		if v > 0 && (r.shift > 0 || r.base+int64(i) != running) {
			d.active = append(d.active, v)
			d.total = sum(d.total, v)
		}
	}
	slices.Sort(d.active)
	active := uint64(len(d.active))
	d.n = max(n, active)
	d.slots = max((n+1<<r.shift-1)>>r.shift, active)
	return d
}

// Count returns the number of seconds.
func (d Distribution) Count() uint64 { return d.n }

// Total returns the number of events.
func (d Distribution) Total() uint64 { return d.total }

// Quantile returns the rate, in events per second, that is not exceeded in a share p of the
// seconds, from 0 to 1. Other p count as the nearest bound.
func (d Distribution) Quantile(p float64) uint64 {
	rank := min(uint64(max(math.Ceil(p*float64(d.slots)), 1)), d.slots)
	silent := d.slots - uint64(len(d.active))
	if rank <= silent {
		return 0 // also without any seconds
	}
	return d.active[rank-silent-1] >> d.shift
}

// At returns the events per second at the second sec.
func (r *Rate) At(sec int64) uint64 {
	i := sec>>r.shift - r.base
	if uint64(i) < uint64(len(r.slots)) {
		return r.slots[i] >> r.shift
	}
	return 0
}

// Merge adds the events of src, which stays unchanged.
func (r *Rate) Merge(src *Rate) {
	if len(src.slots) == 0 {
		return
	}
	if len(r.slots) == 0 {
		r.shift = src.shift
	}
	for r.shift < src.shift {
		r.widen()
	}
	for i, v := range src.slots {
		if v > 0 || i == 0 || i == len(src.slots)-1 {
			r.Add((src.base+int64(i))<<src.shift, v)
		}
	}
}

// CopyFrom makes r equal to src, which stays unchanged. It reuses the memory of r.
func (r *Rate) CopyFrom(src *Rate) {
	slots, within := append(r.slots[:0], src.slots...), r.within
	*r = *src
	r.slots, r.within = slots, within
}

// Reset empties r and keeps its memory.
func (r *Rate) Reset() { *r = Rate{slots: r.slots[:0], within: r.within} }

const rateVersion = 1

// MarshalBinary returns the version and the shift, then as varints the number of the first slot and
// the events of each. It never fails.
func (r *Rate) MarshalBinary() ([]byte, error) { return r.AppendBinary(nil) }

// AppendBinary appends the output of MarshalBinary to dst.
func (r *Rate) AppendBinary(dst []byte) ([]byte, error) {
	b := binary.AppendVarint(append(dst, rateVersion, byte(r.shift)), r.base)
	for _, v := range r.slots {
		b = binary.AppendUvarint(b, v)
	}
	return b, nil
}

// UnmarshalBinary sets r from the output of MarshalBinary. Other bytes are an error and leave r
// unchanged.
func (r *Rate) UnmarshalBinary(data []byte) error {
	if len(data) < 3 || data[0] != rateVersion || data[1] > 40 {
		return errCorrupt("a rate", "unknown version")
	}
	out := Rate{shift: uint(data[1])}
	base, n := binary.Varint(data[2:])
	if n <= 0 || base < -rateBounds || base > rateBounds {
		return errCorrupt("a rate", "its time is out of range")
	}
	out.base = base
	in := &reader{what: "a rate", b: data[2+n:]}
	for len(in.b) > 0 && in.err == nil {
		if len(out.slots) == rateSlots {
			return errCorrupt("a rate", "too long")
		}
		out.slots = append(out.slots, in.uvarint())
	}
	if in.err == nil {
		out.within = r.within
		*r = out
	}
	return in.err
}

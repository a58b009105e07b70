package sketch

import (
	"math"
	"slices"
)

const maxSlots = 16384

// Rate counts events by the second.
type Rate struct {
	slots []uint64
	base  int64 // second of slots[0], in units of the width
	shift uint  // width is 1<<shift seconds
	used  bool
}

// Add adds n events in the unix second sec.
func (r *Rate) Add(sec int64, n uint64) {
	i := sec>>r.shift - r.base
	if uint64(i) < uint64(len(r.slots)) {
		r.slots[i] += n
		return
	}
	r.extend(sec, n)
}

func (r *Rate) extend(sec int64, n uint64) {
	sec = min(max(sec, -1<<40), 1<<40)
	if !r.used {
		r.used, r.base, r.shift = true, sec, 0
		r.slots = append(r.slots[:0], n)
		return
	}
	for {
		i := sec>>r.shift - r.base
		if i >= 0 && i < maxSlots {
			for int64(len(r.slots)) <= i {
				r.slots = append(r.slots, 0)
			}
			r.slots[i] += n
			return
		}
		if i < 0 && int64(len(r.slots))-i <= maxSlots {
			r.slots = slices.Insert(r.slots, 0, make([]uint64, -i)...)
			r.base += i
			r.slots[0] += n
			return
		}
		r.widen()
	}
}

func (r *Rate) widen() {
	base := r.base >> 1
	out := r.slots[:0]
	carry := uint64(0)
	odd := r.base & 1
	for i, v := range r.slots {
		if (int64(i)+odd)&1 == 0 {
			carry = v
			if i == len(r.slots)-1 {
				out = append(out, carry)
			}
		} else {
			if i == 0 {
				carry = 0
			}
			out = append(out, carry+v)
		}
	}
	r.slots, r.base = out, base
	r.shift++
}

// Len is the number of slots.
func (r *Rate) Len() int { return len(r.slots) }

// Quantile is in events per second.
func (r *Rate) Quantile(q float64) uint64 {
	if len(r.slots) == 0 {
		return 0
	}
	s := slices.Clone(r.slots)
	slices.Sort(s)
	i := int(math.Ceil(q * float64(len(s))))
	return s[min(max(i, 1), len(s))-1] >> r.shift
}

// Max is the greatest.
func (r *Rate) Max() uint64 { return r.Quantile(1) }

// At is the count in sec.
func (r *Rate) At(sec int64) uint64 {
	i := sec>>r.shift - r.base
	if uint64(i) < uint64(len(r.slots)) {
		return r.slots[i] >> r.shift
	}
	return 0
}

// Merge adds src.
func (r *Rate) Merge(src *Rate) {
	for i, v := range src.slots {
		if v > 0 || i == 0 || i == len(src.slots)-1 {
			r.Add((src.base+int64(i))<<src.shift, v)
		}
	}
}

// Reset empties r.
func (r *Rate) Reset() { *r = Rate{slots: r.slots[:0]} }

package history

import (
	"bytes"
	"cmp"
	"iter"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// clone returns a copy of r that owns its data.
func (r record) clone() record {
	r.data = bytes.Clone(r.data)
	return r
}

// between returns the records of c that start from one time until before another. They borrow. A
// damaged one has only its place.
func (c chain) between(tx *bolt.Tx, from, to int64) iter.Seq[record] {
	return func(yield func(record) bool) {
		b := c.bucket(tx)
		if b == nil || from >= to {
			return
		}
		cursor := b.Cursor()
		for k, v := cursor.Seek(keyOf(from)); k != nil; k, v = cursor.Next() {
			start, err := startOf(k)
			if err != nil {
				continue
			}
			if start >= to {
				return
			}
			r, err := peekRecord(v)
			if err != nil || r.chain != c || r.start != start {
				r = record{chain: c, start: start, end: start}
			}
			if !yield(r) {
				return
			}
		}
	}
}

// plan is the fewest records that cover a range.
type plan struct {
	policy  string
	records []record // without data, in the order of time
	before  int64    // end of the period before the range, or its start
	lost    []gapNS  // where records were lost by damage
}

// gapNS is a gap in ns since 1970.
type gapNS struct{ start, end int64 }

// find fills p for a range. A period that starts before it counts if no other does.
func (p *plan) find(tx *bolt.Tx, from, to int64) error {
	p.before = from
	p.fill(tx, day, from, to)
	slices.SortStableFunc(p.records, func(a, b record) int { return cmp.Compare(a.start, b.start) })
	last, ok := p.last(tx, from)
	if ok && last.end > from {
		p.before = min(last.end, to)
		if len(p.records) == 0 {
			p.records = append(p.records, last)
		}
	}
	return nil
}

// last returns the last period that starts before a time.
func (p *plan) last(tx *bolt.Tx, at int64) (r record, ok bool) {
	b := chain{minute, p.policy}.bucket(tx)
	if b == nil {
		return r, false
	}
	cursor := b.Cursor()
	k, _ := cursor.Seek(keyOf(at))
	var v []byte
	if k == nil {
		_, v = cursor.Last()
	} else {
		_, v = cursor.Prev()
	}
	r, err := peekRecord(v)
	r.data = nil
	return r, err == nil
}

// fill appends the records of a tier, or of finer ones, that start from one time until before
// another. A record of a coarse tier is used if its whole slot is in the range, or if nothing
// finer is left.
func (p *plan) fill(tx *bolt.Tx, t tier, from, to int64) {
	c := chain{t, p.policy}
	var last record
	if t == minute {
		for r := range c.between(tx, from, to) {
			p.add(r, &last)
		}
		return
	}
	at := from
	for r := range c.between(tx, t.slot(from), to) {
		start := t.slot(r.start)
		end := start + t.length()
		if (start < from || end > to) && p.finer(tx, t, start, end) {
			last = r
			continue
		}
		p.fill(tx, t-1, at, start)
		p.add(r, &last)
		if at != end {
			p.addLate(tx, t, start)
		}
		at = end
	}
	p.fill(tx, t-1, at, to)
}

// addLate appends the records of the tier below that the records of a slot of t lack, and what they
// lack in turn. These were written late: after a clock was set back, or the disk was away. They are
// merged soon, unless the disk is full.
func (p *plan) addLate(tx *bolt.Tx, t tier, slot int64) {
	var upto, seen uint64
	for r := range (chain{t, p.policy}).between(tx, slot, slot+t.length()) {
		upto, seen = max(upto, r.upto), max(seen, r.seen)
	}
	if t == day && seen > 0 {
		p.addUnmerged(tx, slot, seen)
	}
	done := slot - 1
	for r := range (chain{t - 1, p.policy}).between(tx, slot, slot+t.length()) {
		if r.number > upto {
			r.data = nil
			p.records = append(p.records, r)
		}
		if t-1 == minute {
			continue
		}
		if own := (t - 1).slot(r.start); own > done {
			p.addLate(tx, t-1, own)
			done = own
		}
	}
}

// addUnmerged appends the minutes of a day that are in no hour yet, as the first of an hour that
// were written after the day was merged. Minutes up to number seen are in the day, even if damage
// took their hour.
func (p *plan) addUnmerged(tx *bolt.Tx, slot int64, seen uint64) {
	own, merged := slot-1, false
	for r := range (chain{minute, p.policy}).between(tx, slot, slot+day.length()) {
		if r.number <= seen {
			continue
		}
		if at := hour.slot(r.start); at > own {
			own, merged = at, false
			for range (chain{hour, p.policy}).between(tx, at, at+hour.length()) {
				merged = true
				break
			}
		}
		if !merged {
			r.data = nil
			p.records = append(p.records, r)
		}
	}
}

// finer reports whether there are records of finer tiers.
func (p *plan) finer(tx *bolt.Tx, t tier, from, to int64) bool {
	for below := t - 1; below >= minute; below-- {
		for range (chain{below, p.policy}).between(tx, from, to) {
			return true
		}
	}
	return false
}

// add appends r, and the gap between it and the previous record in its chain.
func (p *plan) add(r record, last *record) {
	r.data = nil
	missing := r.lossy || last.number != 0 && r.number != 0 && r.before != last.number
	if missing && last.number != 0 && last.end < r.start {
		p.lost = append(p.lost, gapNS{last.end, r.start})
	}
	*last = r
	p.records = append(p.records, r)
}

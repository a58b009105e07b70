package history

import (
	"cmp"
	"maps"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"visor/handler"
)

// grace is the time after the end of a slot in which its last periods are written.
const grace = 5 * time.Minute

// slots are the slots of the tier above that lack some records of a chain.
type slots map[chain]map[int64]bool

func (s slots) add(c chain, slot int64) {
	if s[c] == nil {
		s[c] = make(map[int64]bool)
	}
	s[c][slot] = true
}

// findUnmerged finds the slots with records that are not merged yet.
func (w *writer) findUnmerged() error {
	w.unmerged = make(slots)
	return w.open.view(func(tx *bolt.Tx) error {
		return chains(tx, func(c chain, b *bolt.Bucket) error {
			if c.tier == day {
				return nil
			}
			above := chain{c.tier + 1, c.policy}
			merged := make(map[int64]uint64)
			err := above.each(tx, func(r record) { merged[above.tier.slot(r.start)] = max(merged[above.tier.slot(r.start)], r.upto) })
			if err != nil {
				return err
			}
			return c.each(tx, func(r record) {
				if slot := above.tier.slot(r.start); r.number > merged[slot] {
					w.unmerged.add(c, slot)
				}
			})
		})
	})
}

// each calls do with each record of c that has an undamaged head.
func (c chain) each(tx *bolt.Tx, do func(record)) error {
	b := c.bucket(tx)
	if b == nil {
		return nil
	}
	return b.ForEach(func(_, v []byte) error {
		if r, err := peekRecord(v); err == nil {
			do(r)
		}
		return nil
	})
}

// mergeSlots merges the records of slots that are over, hours before days.
func (w *writer) mergeSlots() error {
	now := time.Now()
	for t := minute; t < day; t++ {
		for c, all := range w.unmerged {
			if c.tier != t {
				continue
			}
			for _, slot := range slices.Sorted(maps.Keys(all)) {
				end := slot + (t + 1).length()
				if now.Before(time.Unix(0, end).Add(grace)) {
					continue
				}
				if err := w.mergeSlot(c, slot); err != nil {
					return err
				}
				delete(all, slot)
			}
		}
	}
	return nil
}

// slotRecords are the records of a slot.
type slotRecords struct {
	parents  []record // more than one if records cannot be merged
	children []record // those that are not in a parent
	days     []record // of the day, if the parents are hours
}

// mergeSlot merges the records of c in a slot that are not in the tier above. If the day has
// counted the hour already, what is late goes into both in one transaction, so that no reader sees
// the hour beside a day that lacks a part of it.
func (w *writer) mergeSlot(c chain, slot int64) error {
	var in slotRecords
	if err := w.open.view(func(tx *bolt.Tx) error { return in.read(tx, c, slot) }); err != nil {
		return err
	}
	if len(in.children) == 0 {
		return nil
	}
	out, err := w.mergeRecords(chain{c.tier + 1, c.policy}, in.parents, in.children)
	if err != nil {
		return err
	}
	if upto, late := w.inDay(&in); upto > 0 {
		for i := range out {
			out[i].number = cmp.Or(out[i].number, upto)
		}
		if len(late) > 0 {
			more, err := w.mergeRecords(in.days[0].chain, in.days, late)
			if err != nil {
				return err
			}
			out = append(out, more...)
		}
	}
	err = w.update(func(tx *bolt.Tx) error {
		for i := range out {
			if _, err := out[i].put(tx, true); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if above := c.tier + 1; above < day {
		w.unmerged.add(chain{above, c.policy}, (above + 1).slot(slot))
	}
	return w.count()
}

func (in *slotRecords) read(tx *bolt.Tx, c chain, slot int64) error {
	above := chain{c.tier + 1, c.policy}
	end := slot + above.tier.length()
	for r := range above.between(tx, slot, end) {
		in.parents = append(in.parents, r.clone())
	}
	for r := range c.between(tx, slot, end) {
		if r.number > upto(in.parents) {
			in.children = append(in.children, r.clone())
		}
	}
	if above.tier == day {
		return nil
	}
	from := day.slot(slot)
	for r := range (chain{day, c.policy}).between(tx, from, from+day.length()) {
		in.days = append(in.days, r.clone())
	}
	return nil
}

// upto returns the highest number that was merged into records.
func upto(records []record) (n uint64) {
	for _, r := range records {
		n = max(n, r.upto)
	}
	return n
}

// inDay returns the number of the last hour in the day if the day has counted the hour, and the
// children that the day lacks. An hour without parents is in the day if damage took it: then the
// day has some of its children.
func (w *writer) inDay(in *slotRecords) (last uint64, late []record) {
	last = upto(in.days)
	if n := len(in.parents); last == 0 || n > 0 && in.parents[n-1].number > last {
		return 0, nil
	}
	var seen uint64
	var days []*handler.Snapshot
	for i := range in.days {
		if s, err := w.unpack(&in.days[i]); err == nil {
			seen, days = max(seen, in.days[i].seen), append(days, s)
		}
	}
	for i := range in.children {
		child := &in.children[i]
		s, err := w.unpack(child)
		if err == nil && (child.number > seen || !slices.ContainsFunc(days, func(d *handler.Snapshot) bool { return covers(d, s) })) {
			late = append(late, *child)
		}
	}
	if len(in.parents) == 0 && len(late) == len(in.children) {
		return 0, nil
	}
	return last, late
}

// mergeRecords merges children into the last of parents, or into a new record. It begins another
// record whenever they cannot be merged.
func (w *writer) mergeRecords(c chain, parents, children []record) (out []record, err error) {
	var sum handler.Merger
	sum.Overlap = true // a clock may have been set back
	var r record
	if n := len(parents); n > 0 {
		if s, err := w.unpack(&parents[n-1]); err == nil {
			r = parents[n-1]
			if err := sum.Add(s, handler.Origin{}); err != nil {
				return nil, err
			}
		}
	}
	end := func() error {
		s := sum.Snapshot()
		if s == nil {
			return nil
		}
		r.chain = c
		if r.data, err = w.codec.pack(s, handler.Origin{}); err != nil {
			return err
		}
		out = append(out, r)
		r = record{}
		return nil
	}
	for i := range children {
		child := &children[i]
		s, err := w.unpack(child)
		if err != nil {
			r.note(c.tier, child)
			continue
		}
		if err := sum.Add(s, handler.Origin{}); err != nil {
			w.tally(&w.stats.refused)
			if err := end(); err != nil {
				return nil, err
			}
			if err := sum.Add(s, handler.Origin{}); err != nil {
				return nil, err
			}
		}
		if r.end == 0 && r.number == 0 {
			r.start, r.end = child.start, child.end
		}
		r.end = max(r.end, child.end)
		r.note(c.tier, child)
	}
	return out, end()
}

// note notes that r, of a tier, contains child.
func (r *record) note(t tier, child *record) {
	if child.tier == t-1 {
		r.upto = max(r.upto, child.number)
	}
	switch {
	case t < day:
	case child.tier == minute:
		r.seen = max(r.seen, child.number)
	default:
		r.seen = max(r.seen, child.upto)
	}
}

// covers reports whether each module of s counted all of the time of the same module of part.
func covers(s, part *handler.Snapshot) bool {
	for i := range part.Modules {
		m := &part.Modules[i]
		k := slices.IndexFunc(s.Modules, func(other handler.Module) bool { return other.Name == m.Name })
		if k < 0 {
			return false
		}
		counted := spansOf(&s.Modules[k])
		for _, span := range spansOf(m) {
			if len(without([]Gap{{Interval: span}}, counted)) > 0 {
				return false
			}
		}
	}
	return true
}

// unpack returns the snapshot of a record, and counts damage.
func (s *Store) unpack(r *record) (*handler.Snapshot, error) {
	out, err := s.codec.unpack(r.data)
	if err != nil {
		s.tally(&s.stats.damaged)
	}
	return out, err
}

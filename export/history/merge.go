package history

import (
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

// slotRecords are the records of a slot and of the one that contains it.
type slotRecords struct {
	parents  []record // more than one if records do not add up
	children []record // those that are not in a parent
	grand    *record  // of the tier above the parents, if it contains the last of them
	day      *record  // of a slot without parents, if it contains all hours that there are
}

// mergeSlot merges the records of c in a slot that are not in the tier above.
func (w *writer) mergeSlot(c chain, slot int64) error {
	var in slotRecords
	if err := w.open.view(func(tx *bolt.Tx) error { return in.read(tx, c, slot) }); err != nil {
		return err
	}
	if len(in.children) == 0 {
		return nil
	}
	out, err := w.mergeRecords(chain{c.tier + 1, c.policy}, in.parents, in.children)
	if err == nil && in.grand != nil && len(in.parents) > 0 {
		var more []record
		more, err = w.mergeRecords(in.grand.chain, []record{*in.grand}, in.children)
		for i := range more {
			more[i].upto = in.grand.upto
		}
		out = append(out, more...)
	}
	if err != nil {
		return err
	}
	remade := in.day != nil && w.contains(in.day, out)
	err = w.update(func(tx *bolt.Tx) error {
		for i := range out {
			if _, err := out[i].put(tx, true); err != nil {
				return err
			}
			if remade { // no reader sees the hour beside a day that lacks its number
				in.day.upto = max(in.day.upto, out[i].number)
			}
		}
		if remade {
			_, err := in.day.put(tx, true)
			return err
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
	var upto uint64
	for r := range above.between(tx, slot, end) {
		upto = max(upto, r.upto)
		in.parents = append(in.parents, r.clone())
	}
	for r := range c.between(tx, slot, end) {
		if r.number > upto {
			in.children = append(in.children, r.clone())
		}
	}
	if above.tier == day {
		return nil
	}
	from := day.slot(slot)
	for r := range (chain{day, c.policy}).between(tx, from, from+day.length()) {
		r = r.clone()
		if n := len(in.parents); n == 0 {
			in.day = &r
		} else if r.upto >= in.parents[n-1].number {
			in.grand = &r
		}
	}
	for r := range above.between(tx, from, from+day.length()) {
		if in.day != nil && r.number > in.day.upto {
			in.day = nil
		}
	}
	return nil
}

// contains reports whether a day has counted the time of new hours. Damage took them; they were
// made again of their minutes.
func (w *writer) contains(day *record, hours []record) bool {
	whole, err := w.unpack(day)
	if err != nil {
		return false
	}
	for i := range hours {
		if part, err := w.unpack(&hours[i]); err != nil || !covers(whole, part) {
			return false
		}
	}
	return true
}

// mergeRecords merges children into the last of parents, or into a new record. It begins another
// record whenever they do not add up.
func (w *writer) mergeRecords(c chain, parents, children []record) (out []record, err error) {
	var sum handler.Merger
	sum.Overlap = true // a clock may have been set back
	var r record
	var parent *handler.Snapshot
	if n := len(parents); n > 0 {
		if s, err := w.unpack(&parents[n-1]); err == nil {
			r, parent = parents[n-1], s
			err = sum.Add(s, handler.Origin{})
			if err != nil {
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
			r.upto = max(r.upto, child.number)
			continue
		}
		if child.tier == hour && parent != nil && covers(parent, s) {
			r.upto = max(r.upto, child.number) // made again after damage: the day has the lost one
			continue
		}
		if err := sum.Add(s, handler.Origin{}); err != nil {
			w.tally(&w.stats.refused, 1)
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
		r.end, r.upto = max(r.end, child.end), max(r.upto, child.number)
	}
	return out, end()
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
		s.tally(&s.stats.damaged, 1)
	}
	return out, err
}

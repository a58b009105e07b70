package history

import (
	"time"

	bolt "go.etcd.io/bbolt"
)

// keepMinutes is the time for which minutes are kept although the file exceeds Config.MaxBytes.
const keepMinutes = 2 * time.Hour

// span is the length of time that is deleted at once from a tier: the records that are merged into
// one.
func (t tier) span() int64 { return min(t+1, day).length() }

// oldest returns the earliest slot of c. It returns false if c is empty, or the slot's records are
// not merged into the tier above yet.
func (w *writer) oldest(tx *bolt.Tx, c chain) (slot int64, ok bool) {
	b := c.bucket(tx)
	if b == nil {
		return 0, false
	}
	key, _ := b.Cursor().First()
	start, err := startOf(key)
	if err != nil {
		return 0, false
	}
	slot = min(c.tier+1, day).slot(start)
	return slot, !w.unmerged[c][slot]
}

// expire deletes records for their age.
func (w *writer) expire() error {
	for t := range tiers {
		before := time.Now().Add(-w.cfg.Keep.of(t)).UnixNano()
		for {
			c, slot, err := w.eldest(t, before)
			if err != nil || c == nil {
				if err != nil {
					return err
				}
				break
			}
			if err := w.remove(*c, slot, &w.stats.tiers[t].Expired); err != nil {
				return err
			}
		}
	}
	return nil
}

// evict deletes records until the file is small enough: the oldest minutes, then hours, then days.
func (w *writer) evict() error {
	for t := range tiers {
		before := time.Now().UnixNano()
		if t == minute {
			before -= int64(keepMinutes)
		}
		for {
			if used, _ := w.open.file.used(); used <= w.cfg.MaxBytes {
				w.exceeds(0)
				return nil
			}
			c, slot, err := w.eldest(t, before)
			if err != nil {
				return err
			}
			if c == nil {
				break
			}
			if err := w.remove(*c, slot, &w.stats.tiers[t].Evicted); err != nil {
				return err
			}
		}
	}
	used, _ := w.open.file.used()
	w.exceeds(used - w.cfg.MaxBytes)
	return nil
}

// exceeds notes and logs by how many bytes the records that must stay exceed Config.MaxBytes.
func (w *writer) exceeds(bytes int64) {
	bytes = max(bytes, 0)
	w.mu.Lock()
	before := w.stats.over
	w.stats.over = bytes
	w.mu.Unlock()
	if bytes > 0 && before == 0 {
		w.cfg.Logger.Warn("the history is larger than it may be: the minutes of two hours stay, and what is not merged yet",
			"file", w.cfg.Path, "limit", w.cfg.MaxBytes, "over", bytes)
	}
}

// eldest returns the chain of a tier with the earliest slot, if that ends before a time and may be
// deleted.
func (w *writer) eldest(t tier, before int64) (found *chain, slot int64, err error) {
	err = w.open.view(func(tx *bolt.Tx) error {
		return chains(tx, func(c chain, _ *bolt.Bucket) error {
			if c.tier != t {
				return nil
			}
			if s, ok := w.oldest(tx, c); ok && s+t.span() <= before && (found == nil || s < slot) {
				found, slot = &c, s
			}
			return nil
		})
	})
	return found, slot, err
}

// remove deletes a slot of a chain and adds to a count.
func (w *writer) remove(c chain, slot int64, deleted *uint64) error {
	var records int
	var bytes int64
	err := w.update(func(tx *bolt.Tx) (err error) {
		records, bytes, err = c.remove(tx, slot, slot+c.tier.span())
		return err
	})
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats.tiers[c.tier].Records -= records
	w.stats.tiers[c.tier].Bytes -= bytes
	*deleted += uint64(records)
	return nil
}

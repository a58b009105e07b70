package history

import (
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	sweepEvery  = time.Minute
	firstRetry  = time.Second
	latestRetry = time.Minute
	batch       = 64 // records that one transaction writes
)

// writer is the only goroutine that writes.
type writer struct {
	*Store
	unmerged slots
	marked   bool // the file contains that it is open
}

// run writes until the store is closed. It waits ever longer while writing fails.
func (w *writer) run() {
	defer close(w.done)
	retry := firstRetry
	for {
		err := w.work()
		wait := sweepEvery
		if err == nil {
			w.succeed()
			retry = firstRetry
		} else {
			w.fail(err)
			wait, retry = retry, min(2*retry, latestRetry)
		}
		more := w.more
		if err != nil {
			more = nil // periods wait for the next try
		}
		select {
		case <-more:
		case <-time.After(wait):
		case <-w.stop:
			if err := w.finish(); err != nil {
				w.fail(err)
			}
			return
		}
	}
}

// work writes the queue, merges complete hours and days, and deletes old or excess records.
func (w *writer) work() error {
	if err := w.reopen(); err != nil {
		return err
	}
	if err := w.flush(); err != nil {
		return err
	}
	if err := w.mergeSlots(); err != nil {
		return err
	}
	if err := w.expire(); err != nil {
		return err
	}
	if err := w.evict(); err != nil {
		return err
	}
	return w.compact()
}

// finish writes the queue for the last time.
func (w *writer) finish() error {
	if err := w.reopen(); err != nil {
		return err
	}
	if err := w.flush(); err != nil {
		return err
	}
	return w.mark(false)
}

// update calls do in a transaction that writes. The first one marks the file as open, so that an
// unclean end shows.
func (w *writer) update(do func(*bolt.Tx) error) error {
	if err := w.mark(true); err != nil {
		return err
	}
	return w.open.file.update(do)
}

var metaBucket, openKey = []byte("meta"), []byte("open")

// mark writes whether the file is open.
func (w *writer) mark(open bool) error {
	if w.marked == open {
		return nil
	}
	err := w.open.file.update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(metaBucket)
		switch {
		case err != nil:
			return err
		case open:
			return b.Put(openKey, []byte(w.cfg.Owner))
		}
		return b.Delete(openKey)
	})
	if err == nil {
		w.marked = open
	}
	return err
}

// flush writes the queue.
func (w *writer) flush() error {
	for {
		w.mu.Lock()
		waiting := slices.Clone(w.queue.records[:min(len(w.queue.records), batch)])
		w.queue.writing = len(waiting)
		w.mu.Unlock()
		if len(waiting) == 0 {
			return nil
		}
		duplicates, err := w.write(waiting)
		w.mu.Lock()
		w.queue.writing = 0
		if err == nil {
			w.queue.remove(0, len(waiting))
			w.stats.written += uint64(len(waiting) - duplicates)
			w.stats.duplicates += uint64(duplicates)
		}
		w.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// write writes periods in one transaction. It returns the number of those that are there already.
func (w *writer) write(periods []record) (duplicates int, err error) {
	added := make([]int, 0, len(periods)) // bytes
	err = w.update(func(tx *bolt.Tx) error {
		for i := range periods {
			size, err := periods[i].put(tx, false)
			switch {
			case err != nil:
				return err
			case size == 0:
				duplicates++
			default:
				added = append(added, size)
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for i := range periods {
		w.unmerged.add(periods[i].chain, hour.slot(periods[i].start))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, size := range added {
		w.stats.tiers[minute].Records++
		w.stats.tiers[minute].Bytes += int64(size)
	}
	return duplicates, nil
}

// fail records an error, and logs it unless it repeats.
func (w *writer) fail(err error) {
	w.mu.Lock()
	repeats := w.stats.failing && w.stats.last != nil && w.stats.last.Error() == err.Error()
	w.stats.failing, w.stats.last, w.stats.lastAt = true, err, time.Now()
	w.mu.Unlock()
	if !repeats {
		w.cfg.Logger.Error("the history cannot be written; periods wait in memory", "file", w.cfg.Path, "error", err)
	}
}

// succeed logs that writing works again.
func (w *writer) succeed() {
	used, size := w.open.file.used()
	w.mu.Lock()
	failed := w.stats.failing
	w.stats.failing, w.stats.bytes, w.stats.file = false, used, size
	w.mu.Unlock()
	if failed {
		w.cfg.Logger.Info("the history is written again", "file", w.cfg.Path)
	}
}

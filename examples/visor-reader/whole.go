package main

import (
	"errors"
	"time"

	"visor/handler"
)

// batchOfPeriods is the number of closed periods that are merged at once. Every merge creates a new
// sum, so merging each period alone would cost more than analysing a short period.
const batchOfPeriods = 8

// whole merges the closed periods of a recording. Its memory does not grow with their number.
type whole struct {
	sum     *handler.Snapshot
	pending []*handler.Snapshot
	err     error
}

// add adds a closed period.
func (w *whole) add(s *handler.Snapshot) {
	w.pending = append(w.pending, s)
	if len(w.pending) == batchOfPeriods {
		w.merge()
	}
}

// merge merges the pending periods into the sum.
func (w *whole) merge() {
	all := w.pending
	if w.sum != nil {
		all = append([]*handler.Snapshot{w.sum}, all...)
	}
	if len(all) < 2 {
		return // a single one needs no merge
	}
	w.pending = w.pending[:0]
	sum := &handler.Snapshot{Period: all[0].Period}
	for i := range all[0].Modules {
		var parts []*handler.Module
		for _, s := range all {
			parts = append(parts, &s.Modules[i])
		}
		m, err := handler.Join(all[0].Modules[i].Name, parts...)
		w.err = errors.Join(w.err, err)
		sum.Modules = append(sum.Modules, m)
	}
	w.sum = sum
}

// empty reports whether nothing was added.
func (w *whole) empty() bool { return w.sum == nil && len(w.pending) == 0 }

// snapshot returns the sum of what was added.
func (w *whole) snapshot() (*handler.Snapshot, error) {
	if w.sum == nil && len(w.pending) == 1 {
		w.sum = w.pending[0]
	} else {
		w.merge()
	}
	w.sum.Period = time.Minute // the answer is named by its minutes
	w.sum.Window = w.sum.Periods()
	return w.sum, w.err
}

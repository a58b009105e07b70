package netflow

import "slices"

// held stores data sets until their template arrives.
type held struct {
	max  int   // bytes
	ttl  int64 // ns
	used int
	sets []heldSet      // the oldest first
	gone int            // dropped sets at the front
	want map[setKey]int // number of waiting sets per template
	lost []setKey       // scratch
}

// setKey identifies the template of a data set.
type setKey struct {
	source sourceKey
	id     uint16
}

type heldSet struct {
	key   setKey
	since int64
	data  []byte
}

// overhead is the charge for a set in addition to its data. It exceeds the real cost on purpose:
// each template scans all held sets, so these must be few, a thousand in a MiB.
const overhead = 1024

// add stores a copy of a set. It returns the keys of the sets that were dropped for it, or its own
// key if it is too large.
func (h *held) add(key setKey, now int64, b []byte) (lost []setKey) {
	if len(b)+overhead > h.max {
		return append(h.lost[:0], key)
	}
	h.sets = append(h.sets, heldSet{key, now, append([]byte(nil), b...)})
	h.used += len(b) + overhead
	if h.want == nil {
		h.want = make(map[setKey]int)
	}
	h.want[key]++
	return h.drop(now)
}

// drop drops the oldest sets while they are too old, or all sets are too many.
func (h *held) drop(now int64) (lost []setKey) {
	lost = h.lost[:0]
	for h.gone < len(h.sets) && (h.used > h.max || now-h.sets[h.gone].since >= h.ttl) {
		s := &h.sets[h.gone]
		lost = append(lost, s.key)
		h.forget(s)
		h.gone++
	}
	if h.gone > len(h.sets)/2 { // rare enough to cost as much as one set on average
		h.sets = slices.Delete(h.sets, 0, h.gone)
		h.gone = 0
	}
	h.lost = lost
	return lost
}

func (h *held) forget(s *heldSet) {
	h.used -= len(s.data) + overhead
	if h.want[s.key]--; h.want[s.key] == 0 {
		delete(h.want, s.key)
	}
}

// take calls read with each set that waited for a template, and removes it. It returns the keys of
// expired sets.
func (h *held) take(key setKey, now int64, read func([]byte)) (lost []setKey) {
	lost = h.drop(now)
	if h.want[key] == 0 {
		return lost
	}
	rest := h.sets[:0]
	for _, s := range h.sets[h.gone:] {
		if s.key != key {
			rest = append(rest, s)
			continue
		}
		h.forget(&s)
		read(s.data)
	}
	clear(h.sets[len(rest):])
	h.sets, h.gone = rest, 0
	return lost
}

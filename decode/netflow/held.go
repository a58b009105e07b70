package netflow

import (
	"math"
	"slices"
)

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

// never is the time of the oldest set of a source without held sets.
const never = math.MaxInt64

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
	return h.drop()
}

// drop drops the oldest sets while all sets are too many.
func (h *held) drop() (lost []setKey) {
	lost = h.lost[:0]
	for h.gone < len(h.sets) && h.used > h.max {
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

// expire drops the sets of a source that are too old by the source's own clock. It returns their
// number, and the time of the oldest set that it leaves, or [never].
func (h *held) expire(source sourceKey, now int64) (lost uint32, oldest int64) {
	oldest = never
	h.keep(func(s *heldSet) bool {
		switch {
		case s.key.source != source:
			return true
		case now-s.since >= h.ttl:
			lost++
			return false
		}
		oldest = min(oldest, s.since)
		return true
	})
	return lost, oldest
}

// take removes the sets that waited for a template and calls read with each, except those that are
// too old: it returns their number. A source that was evicted leaves such sets.
func (h *held) take(key setKey, now int64, read func([]byte)) (lost uint32) {
	if h.want[key] == 0 {
		return 0
	}
	h.keep(func(s *heldSet) bool {
		switch {
		case s.key != key:
			return true
		case now-s.since >= h.ttl:
			lost++
		default:
			read(s.data)
		}
		return false
	})
	return lost
}

// keep removes the sets for which is returns false.
func (h *held) keep(is func(*heldSet) bool) {
	rest := h.sets[:0]
	for i := h.gone; i < len(h.sets); i++ {
		if s := &h.sets[i]; is(s) {
			rest = append(rest, *s)
		} else {
			h.forget(s)
		}
	}
	clear(h.sets[len(rest):])
	h.sets, h.gone = rest, 0
}

package flowtable

// Expire removes every entry that is TTL old or older at nowNS. It calls gone, if not nil, for each before
// it goes; gone must not use the Table, and v is valid until it returns. Expire looks at every
// slot, about 1 ns each, unless it knows that nothing can have expired yet.
func (t *Table[V]) Expire(nowNS int64, gone func(h uint64, v *V)) {
	now := encodeTime(nowNS)
	if t.len == 0 || !t.expired(t.oldest, now) {
		return
	}
	oldest := ^uint64(0)
	for i := range t.slots {
		t.expireSlot(i, now, gone)
		if when := t.slots[i].when; when != 0 {
			oldest = min(oldest, when)
		}
	}
	t.oldest = oldest
}

// Sweep is Expire for the next n slots only, for a caller who spreads the work over his batches: calls with
// n = Slots()/k go round the table in k calls.
func (t *Table[V]) Sweep(nowNS int64, n int, gone func(h uint64, v *V)) {
	now := encodeTime(nowNS)
	if t.len == 0 || !t.expired(t.oldest, now) {
		return
	}
	for n = min(n, len(t.slots)); n > 0; n-- {
		t.expireSlot(t.sweep, now, gone)
		t.sweep = (t.sweep + 1) & (len(t.slots) - 1)
	}
}

// expireSlot removes the entry in slot i if it has expired, and those that come there in its place. Entries come
// from behind only, so going up the slots misses none.
func (t *Table[V]) expireSlot(i int, now uint64, gone func(h uint64, v *V)) {
	s := &t.slots[i]
	for s.when != 0 && t.expired(s.when, now) {
		if gone != nil {
			gone(s.hash, &s.v)
		}
		t.stats.Expired++
		t.remove(i)
	}
}

// expired reports whether what was put at when is TTL old at now. What comes from the future is not.
func (t *Table[V]) expired(when, now uint64) bool {
	return t.ttl != 0 && now > when && now-when >= t.ttl
}

// makeRoom returns the slot for h, which is not in the table, after growing or removing something
// where that is necessary.
func (t *Table[V]) makeRoom(h, now uint64) int {
	if t.len >= t.limit {
		if len(t.slots) < t.maxSlots {
			t.grow(now)
		} else {
			t.evictAny(now)
		}
	}
	if i, _ := t.find(h); i >= 0 {
		return i
	}
	return t.evictNear(h, now)
}

// grow drops what has expired, and doubles the table unless that leaves a quarter of its limit free.
func (t *Table[V]) grow(now uint64) {
	t.Expire(decodeTime(now), nil)
	if t.len > t.limit/4*3 {
		t.resize(2 * len(t.slots))
	}
}

// evictAny removes the expired entries in the next window of slots that is not empty, or else the one
// farthest from now. The hand goes round, so each entry has its turn; the table being a quarter full
// at least, it passes few empty slots on average.
func (t *Table[V]) evictAny(now uint64) {
	before := t.len
	for t.len == before {
		victim, worst := -1, uint64(0)
		for range window {
			t.expireSlot(t.hand, now, nil)
			if when := t.slots[t.hand].when; when != 0 {
				if d := distance(when, now); victim < 0 || d > worst {
					victim, worst = t.hand, d
				}
			}
			t.hand = (t.hand + 1) & (len(t.slots) - 1)
		}
		if t.len == before && victim >= 0 {
			t.stats.Evicted++
			t.remove(victim)
		}
	}
}

// evictNear empties one of the slots that h may stand in, all of which are taken, and returns the slot for h.
func (t *Table[V]) evictNear(h, now uint64) int {
	mask := len(t.slots) - 1
	home := t.home(h)
	victim, worst := home, uint64(0)
	for k := range maxProbe {
		i := (home + k) & mask
		if d := distance(t.slots[i].when, now); d > worst {
			victim, worst = i, d
		}
	}
	t.countDropped(victim, now)
	t.remove(victim)
	if i, _ := t.find(h); i >= 0 {
		return i
	}
	// Entries moved up until the empty slot was behind those that h may stand in. The last
	// of them changes hands then: it stays taken, so nothing else has to move.
	last := (home + maxProbe - 1) & mask
	t.countDropped(last, now)
	t.slots[last] = slot[V]{}
	t.len--
	return last
}

func (t *Table[V]) countDropped(i int, now uint64) {
	if t.expired(t.slots[i].when, now) {
		t.stats.Expired++
	} else {
		t.stats.Evicted++
	}
}

// distance is the age of when at now, or how far it lies in the future.
func distance(when, now uint64) uint64 {
	if when > now {
		return when - now
	}
	return now - when
}

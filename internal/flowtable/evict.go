package flowtable

// Expire removes every entry whose age at nowNS is TTL or more. It checks every slot, about 1 ns
// each, unless no entry can have expired yet.
func (t *Table[V]) Expire(nowNS int64) { t.expire(encodeTime(nowNS)) }

func (t *Table[V]) expire(now uint64) {
	if t.len == 0 || !t.expired(t.oldest, now) {
		return
	}
	oldest := ^uint64(0)
	for i := range t.slots {
		t.expireSlot(i, now)
		if when := t.slots[i].when; when != 0 {
			oldest = min(oldest, when)
		}
	}
	t.oldest = oldest
}

// expireSlot removes the entry in slot i if it has expired, and expired ones that move there.
// Entries only move from behind, so an ascending scan misses none.
func (t *Table[V]) expireSlot(i int, now uint64) {
	s := &t.slots[i]
	for s.when != 0 && t.expired(s.when, now) {
		t.tell(&s.v, Expired)
		t.remove(i)
	}
}

// expired reports whether an entry with time when has age TTL or more at now. Entries from the
// future have not expired.
func (t *Table[V]) expired(when, now uint64) bool {
	return t.ttl != 0 && now > when && now-when >= t.ttl
}

// makeRoom returns the slot for h, which is not in the table, after growing the table or removing
// an entry if necessary. Until the table has its largest size, expired entries stay until Expire:
// whether a reply finds its query must not depend on the other entries.
func (t *Table[V]) makeRoom(h, now uint64) int {
	if t.len >= t.limit && len(t.slots) < t.maxSlots {
		t.resize(2 * len(t.slots))
	} else if t.len >= t.limit {
		t.relieve(now)
	}
	if i, _ := t.find(h); i >= 0 {
		return i
	}
	return t.evictNear(h, now)
}

// relieve removes expired entries from a full table, or otherwise evicts an entry. It searches for
// expired entries only if an eighth of the limit has left since the last search, which bounds the
// work per entry. So up to seven eighths of Capacity may wait within one TTL without an eviction.
func (t *Table[V]) relieve(now uint64) {
	if t.credit >= t.limit/8 {
		before := t.len
		t.expire(now)
		t.credit = before - t.len
	}
	if t.len >= t.limit {
		t.credit++
		t.evictAny(now)
	}
}

// evictAny removes an old entry. The hand cycles through the table and takes the first entry that
// is at least half as far from now as the one it took before, or the farthest of a window of slots.
// So an entry stays for about as many insertions as the table has entries; one in 450 stays for
// less than a quarter of that. The farthest of each window made that one in 8, and looked at 16
// slots for each insertion of a flood.
func (t *Table[V]) evictAny(now uint64) {
	victim := -1
	for victim < 0 {
		victim = t.nextVictim(now)
	}
	t.tellDropped(victim, now)
	t.remove(victim)
}

// nextVictim moves the hand by up to a window of slots and returns the slot to empty, or -1 if the
// window is empty.
func (t *Table[V]) nextVictim(now uint64) (victim int) {
	victim = -1
	worst, mask := uint64(0), len(t.slots)-1
	for range window {
		i := t.hand & mask
		t.hand = i + 1
		when := t.slots[i].when
		if when == 0 {
			continue
		}
		if d := distance(when, now); victim < 0 || d > worst {
			victim, worst = i, d
			if d >= t.old {
				break
			}
		}
	}
	if victim >= 0 {
		t.old = worst / 2
	}
	return victim
}

// evictNear empties one of the possible slots of h, which are all in use, and returns the slot for
// h.
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
	t.tellDropped(victim, now)
	t.remove(victim)
	if i, _ := t.find(h); i >= 0 {
		return i
	}
	// Entries moved up until the empty slot was behind the possible slots of h. The last of them is
	// reused for h and stays taken, so no other entry has to move.
	last := (home + maxProbe - 1) & mask
	t.tellDropped(last, now)
	t.slots[last] = slot[V]{}
	t.len--
	return last
}

func (t *Table[V]) tellDropped(i int, now uint64) {
	why := Evicted
	if t.expired(t.slots[i].when, now) {
		why = Expired
	}
	t.tell(&t.slots[i].v, why)
}

// distance is the age of when at now, or how far it is in the future.
func distance(when, now uint64) uint64 {
	if when > now {
		return when - now
	}
	return now - when
}

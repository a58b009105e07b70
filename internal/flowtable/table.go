package flowtable

import (
	"math/bits"
	"math/rand/v2"
	"time"
)

const (
	minSlots = 256
	maxProbe = 64 // an entry is less than this many slots behind its home
	window   = 16 // the most slots looked at to find an entry to evict
	signBit  = 1 << 63

	defaultCapacity = 1 << 16
	maxCapacity     = 1 << 28 // keeps slot numbers inside an int of 32 bits
)

// Config bounds a Table. The zero Config is ready to use.
type Config struct {
	Capacity int           // the most entries held; 0 or less means 65536; at most 1<<28
	TTL      time.Duration // age at which an entry has expired; 0 or less means never
}

// Loss is the reason why a Table removed an entry itself.
type Loss uint8

// The losses.
const (
	Expired Loss = iota + 1 // removed by Put, Insert or Expire, at the age TTL or above
	Evicted                 // removed earlier by Put or Insert to make room
)

// Stats counts the entries that a Table removed itself, by Loss.
type Stats struct {
	Expired uint64
	Evicted uint64
}

// Table maps hashes to values of type V, each with its insertion time. It is owned by one
// goroutine. Pointers to values are valid until the next call of Put, Insert, Take, Delete, Expire
// or Reset.
//
// Invariants: no slot between an entry's home and its slot is empty, and the two are less than
// maxProbe apart. len counts the slots in use. No entry is older than oldest.
type Table[V any] struct {
	slots []slot[V] // a power of two, at least minSlots
	shift uint8     // 64 − log2(len(slots)): home is the top bits of the hash, multiplied by odd
	// a secret of the table, so that an attacker with knowledge of the hashes cannot make many
	// share slots
	odd      uint64
	len      int
	limit    int    // entries at which the table doubles, or evicts once it is at its largest
	capacity int    // of the largest table
	maxSlots int    // of the largest table
	ttl      uint64 // 0: never
	oldest   uint64 // as slot.when
	hand     int    // where the next search for a victim begins
	old      uint64 // distance from now at which the search takes an entry at once
	// entries that left since the last search for expired ones, including that search
	credit int
	stats  Stats
	lost   func(v *V, why Loss)
}

// slot is one place of the array. when is the time with its sign bit flipped, which preserves the
// order. 0, the earliest time, marks an empty slot; an entry with that time is stored as 1.
type slot[V any] struct {
	hash uint64
	when uint64
	v    V
}

func encodeTime(ns int64) uint64   { return max(uint64(ns)^signBit, 1) }
func decodeTime(when uint64) int64 { return int64(when ^ signBit) }

// New returns an empty Table.
func New[V any](cfg Config) *Table[V] {
	if cfg.Capacity <= 0 {
		cfg.Capacity = defaultCapacity
	}
	t := &Table[V]{
		capacity: min(cfg.Capacity, maxCapacity),
		ttl:      uint64(max(cfg.TTL, 0)),
		odd:      rand.Uint64() | 1,
	}
	t.maxSlots = max(1<<bits.Len(uint(2*t.capacity-1)), minSlots)
	t.credit = t.capacity
	t.resize(minSlots)
	return t
}

// OnLoss makes t call lost with every entry that t removes itself, just before the removal. v is
// valid until lost returns, and lost must not use t.
func (t *Table[V]) OnLoss(lost func(v *V, why Loss)) { t.lost = lost }

// Put inserts h, or overwrites its entry, with the time nowNS. It returns the value, zeroed, for
// the caller to fill. If the table is full, a new entry evicts another.
func (t *Table[V]) Put(h uint64, nowNS int64) *V {
	now := encodeTime(nowNS)
	i, found := t.find(h)
	if !found {
		return t.add(i, h, now)
	}
	t.oldest = min(t.oldest, now)
	s := &t.slots[i]
	s.when, s.v = now, *new(V)
	return &s.v
}

// Insert is Put for an h that may exist already. If its entry has not expired, Insert leaves it
// unchanged, and returns its value, its insertion time, and false.
func (t *Table[V]) Insert(h uint64, nowNS int64) (v *V, putNS int64, inserted bool) {
	now := encodeTime(nowNS)
	i, found := t.find(h)
	if !found {
		return t.add(i, h, now), nowNS, true
	}
	s := &t.slots[i]
	if !t.expired(s.when, now) {
		return &s.v, decodeTime(s.when), false
	}
	t.tell(&s.v, Expired)
	s.when, s.v = now, *new(V)
	return &s.v, nowNS, true
}

// add inserts h, which belongs into slot i unless i is -1.
func (t *Table[V]) add(i int, h, now uint64) *V {
	if i < 0 || t.len >= t.limit {
		i = t.makeRoom(h, now)
	}
	t.oldest = min(t.oldest, now)
	s := &t.slots[i]
	s.hash, s.when = h, now
	t.len++
	return &s.v
}

// tell counts a loss and reports it.
func (t *Table[V]) tell(v *V, why Loss) {
	if why == Expired {
		t.stats.Expired++
	} else {
		t.stats.Evicted++
	}
	if t.lost != nil {
		t.lost(v, why)
	}
}

// Get returns the value of h, whatever its age.
func (t *Table[V]) Get(h uint64) (v *V, ok bool) {
	if i, ok := t.find(h); ok {
		return &t.slots[i].v, true
	}
	return nil, false
}

// Take removes h and returns its value and insertion time, whatever its age.
func (t *Table[V]) Take(h uint64) (v V, putNS int64, ok bool) {
	i, ok := t.find(h)
	if !ok {
		return v, 0, false
	}
	v, putNS = t.slots[i].v, decodeTime(t.slots[i].when)
	t.remove(i)
	return v, putNS, true
}

// Delete removes h and reports whether it was in the table.
func (t *Table[V]) Delete(h uint64) bool {
	i, ok := t.find(h)
	if ok {
		t.remove(i)
	}
	return ok
}

// Len returns the number of entries, including expired ones that were not removed yet.
func (t *Table[V]) Len() int { return t.len }

// Slots returns the current number of slots: a power of two, at least twice Len.
func (t *Table[V]) Slots() int { return len(t.slots) }

// Stats returns the counts since New.
func (t *Table[V]) Stats() Stats { return t.stats }

// Reset removes all entries, without counting them, and keeps the memory.
func (t *Table[V]) Reset() {
	clear(t.slots)
	t.len, t.oldest = 0, ^uint64(0)
}

func (t *Table[V]) home(h uint64) int { return int(h * t.odd >> (t.shift & 63)) }

// Touch loads the slot where the search for h begins, so that a later call finds it in the cache.
// The return value has no meaning; a caller that uses it keeps the compiler from removing the load.
func (t *Table[V]) Touch(h uint64) int64 { return int64(t.slots[t.home(h)&(len(t.slots)-1)].when) }

// find returns the slot of h and true, or false and the slot for h: −1 if none is free.
func (t *Table[V]) find(h uint64) (int, bool) {
	slots := t.slots
	i := t.home(h)
	for range maxProbe {
		i &= len(slots) - 1
		s := &slots[i]
		if s.when == 0 {
			return i, false
		}
		if s.hash == h {
			return i, true
		}
		i++
	}
	return -1, false
}

// remove empties slot i and moves back the entries that would not be found behind an empty slot. A
// move shortens an entry's way from home by as many steps as slots were checked for it, and Put
// adds fewer than maxProbe steps. So the work of all removals is bounded by the work of all Puts.
func (t *Table[V]) remove(i int) {
	slots, mask := t.slots, len(t.slots)-1
	t.len--
	for j, far := i, 1; far < maxProbe; far++ {
		j = (j + 1) & mask
		s := &slots[j]
		if s.when == 0 {
			break
		}
		if (j-t.home(s.hash))&mask >= far { // its home is at i or before
			slots[i] = *s
			i, far = j, 0
		}
	}
	slots[i] = slot[V]{}
}

// resize moves the entries to an array of n empty slots.
func (t *Table[V]) resize(n int) {
	old := t.slots
	t.slots = make([]slot[V], n)
	t.shift = uint8(64 - bits.TrailingZeros(uint(n)))
	t.limit = min(n/2, t.capacity)
	t.len, t.oldest, t.hand = 0, ^uint64(0), 0
	for i := range old {
		s := &old[i]
		if s.when == 0 {
			continue
		}
		j, _ := t.find(s.hash)
		if j < 0 { // only if hashes were chosen to collide
			j = t.evictNear(s.hash, s.when)
		}
		t.slots[j] = *s
		t.len++
		t.oldest = min(t.oldest, s.when)
	}
}

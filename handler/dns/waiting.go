package dns

import (
	"visor/handler"
	"visor/internal/flowtable"
	"visor/sketch/hash64"
)

// waiting holds the queries that wait for a reply, with a V for each. A query and its reply share
// the two ends and the ID. They also share the question, if the reply has one.
type waiting[V any] struct {
	open    *flowtable.Table[asked[V]]
	timeout int64 // ns
	touched int64 // see touch
}

// asked is a waiting query.
type asked[V any] struct {
	value    V
	question uint32 // hash of the name and type; 0 if they were unreadable
}

// cachedSlots is the size from which on a table exceeds the second cache.
const cachedSlots = 1 << 13

// newWaiting returns an empty waiting. It calls lost for every query that is removed without a
// reply.
func newWaiting[V any](cfg *Config, lost func(v *V, why flowtable.Loss)) waiting[V] {
	w := waiting[V]{timeout: int64(cfg.Timeout)}
	w.open = flowtable.New[asked[V]](flowtable.Config{Capacity: cfg.Transactions, TTL: cfg.Timeout})
	w.open.OnLoss(func(a *asked[V], why flowtable.Loss) { lost(&a.value, why) })
	return w
}

// touch loads the slots of the next messages, as [nameCounts.touch] does. Of a full table, as in a
// flood of queries without replies, that saves a fifth of a packet's time. A small one is in the
// caches.
func (w *waiting[V]) touch(next []handler.Message) {
	if w.open.Slots() < cachedSlots {
		return
	}
	sum := int64(0)
	for i := range next {
		if m := &next[i]; m.Msg != nil {
			sum += w.open.Touch(transactionKey(m))
		}
	}
	w.touched = sum // else the compiler would remove the loop
}

// transactionKey returns the common key of a query and its reply: the two ends and the ID. The
// table places keys by a secret multiplier, so that consecutive ones are apart.
func transactionKey(m *handler.Message) uint64 { return m.Flow + uint64(m.Msg.ID()) }

// question returns a hash of the question, or 0 without one.
func question(m *handler.Message) uint32 {
	if !m.Named {
		return 0
	}
	return uint32(m.Hash>>32) ^ uint32(m.Type)<<16 | 1
}

// ask adds a query and returns its value. It returns false if the same query already waits; the
// query keeps its first time.
func (w *waiting[V]) ask(m *handler.Message) (v *V, isNew bool) {
	key, q := queryKey(m), question(m)
	a, _, isNew := w.open.Insert(key, m.TimeNS)
	if !isNew && a.question != q {
		a, _, isNew = w.open.Insert(otherKey(key, q), m.TimeNS)
	}
	if isNew {
		a.question = q
	}
	return &a.value, isNew
}

// otherKey returns the key for a query whose ID already waits for the reply to another question.
func otherKey(key uint64, question uint32) uint64 { return hash64.Mix(key + uint64(question)) }

// answer removes the query of a reply and returns its value and time. If no query has the reply's
// question, the ID alone decides, as in pktvisor.
func (w *waiting[V]) answer(m *handler.Message) (v V, startNS int64, ok bool) {
	var a asked[V]
	if m.Msg != nil {
		key, q := transactionKey(m), question(m)
		if a, startNS, ok = w.open.Take(key); q != 0 && a.question != q {
			a, startNS, ok = w.takeOther(key, q, a, startNS, ok)
		}
	}
	if !ok && m.DNSTap != nil && m.DNSTap.QueryTime != 0 {
		a, startNS, ok = w.open.Take(timeKey(m))
	}
	return a.value, startNS, ok
}

// takeOther removes the query with another key, see otherKey, if it waits. The query a, which was
// taken with the common key, then waits again. Otherwise a is the answer.
func (w *waiting[V]) takeOther(key uint64, question uint32, a asked[V], startNS int64, ok bool) (asked[V], int64, bool) {
	b, startB, okB := w.open.Take(otherKey(key, question))
	if !okB {
		return a, startNS, ok
	}
	if ok {
		*w.open.Put(key, startNS) = a
	}
	return b, startB, true
}

// expire removes the queries that have waited for too long at nowNS.
func (w *waiting[V]) expire(nowNS int64) { w.open.Expire(nowNS) }

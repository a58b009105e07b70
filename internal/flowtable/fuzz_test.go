package flowtable_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/internal/flowtable"
	"visor/internal/hash64"
)

// FuzzTable plays operations against a plain map. Two bytes are one operation: what, and on which key.
func FuzzTable(f *testing.F) {
	f.Add([]byte("\x00a\x00b\x02a\x04\x05\x00a"), uint8(3), false)
	f.Add([]byte("\x01a\x01b\x01c\x01d\x01e\x01f\x00g\x05z\x03h\x06x\x07x"), uint8(4), true)
	long := make([]byte, 4096)
	for i := range long {
		long[i] = byte(hash64.Uint64(uint64(i)))
	}
	f.Add(long, uint8(200), false)
	f.Add(long, uint8(60), true)
	f.Add(long, uint8(0), true)
	f.Fuzz(func(t *testing.T, ops []byte, capacity uint8, clustered bool) {
		ops = ops[:min(len(ops), 4096)]
		m := newModel(int(capacity))
		for i := 0; i+1 < len(ops); i += 2 {
			key := uint64(ops[i]>>4)<<8 | uint64(ops[i+1])
			h := hash64.Uint64(key)
			if clustered {
				h = (key&7<<60 | key) * inverse // eight homes
			}
			m.play(t, ops[i]&7, int64(ops[i+1]), h)
			if i%64 == 0 {
				m.check(t)
			}
		}
		m.check(t)
	})
}

// model is a table, and a map that holds all that the table may hold and that it must, unless it evicted it.
type model struct {
	tab      *flowtable.Table[uint64]
	capacity int
	want     map[uint64]entry
	now      int64
	values   uint64
}

type entry struct {
	v    uint64
	time int64
}

const ttl = 50

func newModel(capacity int) *model {
	return &model{
		tab:      flowtable.New[uint64](flowtable.Config{Capacity: capacity, TTL: ttl * time.Nanosecond}),
		capacity: capacity,
		want:     map[uint64]entry{},
	}
}

func (m *model) play(t *testing.T, op uint8, arg int64, h uint64) {
	gone := func(h uint64, v *uint64) {
		require.Equal(t, m.want[h].v, *v)
		require.GreaterOrEqual(t, m.now-m.want[h].time, int64(ttl))
		delete(m.want, h)
	}
	before, slots := m.tab.Stats(), m.tab.Slots()
	switch op {
	case 0, 1, 2:
		m.values++
		*m.tab.Put(h, m.now) = m.values
		m.want[h] = entry{m.values, m.now}
		m.forget(t, before, slots)
	case 3:
		v, at, ok := m.tab.Take(h)
		e, known := m.want[h]
		require.Equal(t, known, ok)
		require.Equal(t, e, entry{v, at})
		delete(m.want, h)
	case 4:
		m.now += arg & 31
	case 5:
		m.now -= arg & 15
	case 6:
		m.tab.Expire(m.now, gone)
		for _, e := range m.want {
			if m.now-e.time >= ttl {
				require.Fail(t, "not expired")
			}
		}
	case 7:
		m.tab.Sweep(m.now, int(arg), gone)
	}
}

// forget removes from the map what Put removed from the table, and holds it against what the table counted.
func (m *model) forget(t *testing.T, before flowtable.Stats, slots int) {
	after := m.tab.Stats()
	if after == before {
		return
	}
	var lost flowtable.Stats
	for h, e := range m.want {
		if _, ok := m.tab.Get(h); ok {
			continue
		}
		if m.now-e.time >= ttl {
			lost.Expired++
		} else {
			lost.Evicted++
		}
		delete(m.want, h)
	}
	require.Equal(t, lost, flowtable.Stats{Expired: after.Expired - before.Expired, Evicted: after.Evicted - before.Evicted})
	// One entry goes because the table is full, and two more if all slots that the new one may stand in are taken, by hashes
	// chosen to collide. Below 64 entries, and when the table grows, whole clusters are concerned.
	if m.capacity > 64 && m.tab.Slots() == slots {
		require.LessOrEqual(t, lost.Evicted, uint64(3))
	}
}

func (m *model) check(t *testing.T) {
	require.Len(t, m.want, m.tab.Len())
	if m.capacity > 0 {
		require.LessOrEqual(t, m.tab.Len(), m.capacity)
	}
	for h, e := range m.want {
		if v, ok := m.tab.Get(h); !ok || *v != e.v { // require would take most of the time here
			require.Fail(t, "lost or changed", "%x", h)
		}
	}
}

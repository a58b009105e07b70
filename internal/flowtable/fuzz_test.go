package flowtable_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/internal/flowtable"
	"visor/sketch/hash64"
)

// FuzzTable compares operations with a plain map. Two bytes are one operation: its kind and its
// key.
func FuzzTable(f *testing.F) {
	f.Add([]byte("\x00a\x00b\x02a\x04\x05\x00a"), uint8(3), false)
	f.Add([]byte("\x01a\x01b\x01c\x01d\x01e\x01f\x00g\x05z\x03h\x06x\x07x"), uint8(4), true)
	long := make([]byte, 4096)
	for i := range long {
		long[i] = byte(hash64.Mix(uint64(i)))
	}
	f.Add(long, uint8(200), false)
	f.Add(long, uint8(60), true)
	f.Add(long, uint8(0), true)
	f.Fuzz(func(t *testing.T, ops []byte, capacity uint8, clustered bool) {
		ops = ops[:min(len(ops), 4096)]
		m := newModel(int(capacity))
		for i := 0; i+1 < len(ops); i += 2 {
			key := uint64(ops[i]>>4)<<8 | uint64(ops[i+1])
			h := hash64.Mix(key)
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

// model is a table with a map of the same content.
type model struct {
	tab      *flowtable.Table[uint64]
	capacity int
	want     map[uint64]entry  // by value
	at       map[uint64]uint64 // values by hash
	now      int64
	values   uint64
	lost     flowtable.Stats // as reported
}

type entry struct {
	v    uint64
	hash uint64
	time int64
}

const ttl = 50

func newModel(capacity int) *model {
	m := &model{
		tab:      flowtable.New[uint64](flowtable.Config{Capacity: capacity, TTL: ttl * time.Nanosecond}),
		capacity: capacity,
		want:     map[uint64]entry{},
		at:       map[uint64]uint64{},
	}
	return m
}

// lose is called with each entry that the table removed.
func (m *model) lose(t *testing.T, v uint64, why flowtable.Loss) {
	e, known := m.want[v]
	require.True(t, known)
	require.Equal(t, m.now-e.time >= ttl, why == flowtable.Expired)
	if why == flowtable.Expired {
		m.lost.Expired++
	} else {
		m.lost.Evicted++
	}
	m.forget(v)
}

func (m *model) forget(v uint64) {
	delete(m.at, m.want[v].hash)
	delete(m.want, v)
}

func (m *model) put(v, h uint64) {
	m.want[v], m.at[h] = entry{v, h, m.now}, v
}

func (m *model) play(t *testing.T, op uint8, arg int64, h uint64) {
	m.tab.OnLoss(func(v *uint64, why flowtable.Loss) { m.lose(t, *v, why) })
	before, slots := m.lost, m.tab.Slots()
	old, waits := m.want[m.at[h]]
	switch op {
	case 0, 1:
		m.values++
		*m.tab.Put(h, m.now) = m.values
		if waits {
			m.forget(old.v)
		}
		m.put(m.values, h)
		m.checkLoss(t, before, slots)
	case 2:
		v, at, inserted := m.tab.Insert(h, m.now)
		require.Equal(t, !waits || m.now-old.time >= ttl, inserted)
		if !inserted {
			require.Equal(t, old, entry{*v, h, at})
			return
		}
		m.values++
		*v = m.values
		m.put(m.values, h)
	case 3:
		v, at, ok := m.tab.Take(h)
		require.Equal(t, waits, ok)
		if ok {
			require.Equal(t, old, entry{v, h, at})
			m.forget(v)
		}
	case 4:
		m.now += arg & 31
	case 5:
		m.now -= arg & 15
	case 6, 7:
		m.tab.Expire(m.now)
		for _, e := range m.want {
			if m.now-e.time >= ttl {
				require.Fail(t, "not expired")
			}
		}
	}
}

// checkLoss checks that the evictions of one Put are within bounds.
func (m *model) checkLoss(t *testing.T, before flowtable.Stats, slots int) {
	// One entry is evicted because the table is full. Two more are evicted if all possible slots of
	// the new entry are taken, by hashes chosen to collide. Below 64 entries, and when the table
	// grows, whole clusters may be evicted.
	if m.capacity > 64 && m.tab.Slots() == slots {
		require.LessOrEqual(t, m.lost.Evicted-before.Evicted, uint64(3))
	}
}

func (m *model) check(t *testing.T) {
	require.Equal(t, m.lost, m.tab.Stats())
	require.Len(t, m.want, m.tab.Len())
	if m.capacity > 0 {
		require.LessOrEqual(t, m.tab.Len(), m.capacity)
	}
	for _, e := range m.want {
		// require would take most of the time here
		if v, ok := m.tab.Get(e.hash); !ok || *v != e.v {
			require.Fail(t, "lost or changed", "%x", e.hash)
		}
	}
}

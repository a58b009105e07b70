package metric

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/sketch"
	"visor/sketch/hash64"
)

// mixedKeys has texts of all forms in one list: addresses, subnets, keys as long as these that are
// texts themselves, and others.
type mixedKeys struct {
	Counts TopSide `metric:"top.mixed" label:"key"`

	list sketch.TopColumns
}

func (m *mixedKeys) Bind() { m.Counts.ShowColumn(&m.list, 0, mixedItem) }

func mixedItem(key []byte) Item {
	addr := func(b []byte) string { return netip.AddrFrom16([16]byte(b)).Unmap().String() }
	switch {
	case len(key) == 16 && key[0] != 'x':
		return Item{Name: addr(key)}
	case len(key) == 17:
		return Item{Name: addr(key[:16]) + fmt.Sprint("/", key[16])}
	case len(key) == 6:
		return Item{Name: "a name of 6 bytes"}
	}
	return Item{Name: string(key)}
}

// Texts that follow from keys do not travel, and are the same afterwards, also after a merge.
func TestTextsTravel(t *testing.T) {
	s, err := NewSchema[mixedKeys]("x", nil)
	require.NoError(t, err)
	h := hash64.Fixed()
	count := func(keys ...[]byte) *Set[mixedKeys] {
		b := s.New()
		for i, key := range keys {
			var k sketch.PairKey
			k.Set(h.Sum(key), key)
			b.Metrics.list.Add(&k, &sketch.Columns{uint64(10 + i)})
		}
		return b
	}
	v4, v6 := netip.MustParseAddr("::ffff:192.0.2.1").As16(), netip.MustParseAddr("2001:db8::1").As16()
	one := count(v4[:], v6[:], append(v4[:], 24), append(v6[:], 48))
	two := count([]byte("x234567890123456"), []byte("abc"), []byte("123456"), []byte("other"))
	all := count(v4[:], v6[:], append(v4[:], 24), append(v6[:], 48))
	sum := travel(t, one.Record(0, 0), 0, h)
	require.Less(t, len(one.Record(0, 0).AppendBinary(nil, 0)), 170, "without texts")
	sum.Merge(travel(t, two.Record(0, 0), 0, h), nil)
	sum = travel(t, sum, 0, h)
	want := make(map[string]uint64)
	for _, b := range []*Set[mixedKeys]{two, all} {
		for _, item := range b.Metrics.Counts.Items(100) {
			want[item.Name] = item.Estimate
		}
	}
	got := make(map[string]uint64)
	for _, item := range sum.Values(0, show)[0].Items {
		got[item.Name] = item.Estimate
	}
	require.Equal(t, want, got)
	require.Contains(t, got, "192.0.2.1/24")
	require.Contains(t, got, "a name of 6 bytes")
	require.Contains(t, got, "x234567890123456")
}

// Entries below a 4096th of the total are cut when a list is cut, and their count is in the error.
func TestSmallEntriesAreCut(t *testing.T) {
	s, err := NewSchema[mixedKeys]("x", nil)
	require.NoError(t, err)
	h, b, total := hash64.Fixed(), s.New(), uint64(0)
	for i := range 100 {
		total += uint64(1_000_000 >> min(i, 19))
		key := fmt.Append(nil, "key ", i)
		var k sketch.PairKey
		k.Set(h.Sum(key), key)
		b.Metrics.list.Add(&k, &sketch.Columns{uint64(1_000_000 >> min(i, 19))})
	}
	for n, length := range map[int]int{0: 100, 256: 12, 5: 5} {
		v := travel(t, b.Record(0, 0), n, h).Values(0, show)[0]
		require.Len(t, v.Items, length)
		require.Equal(t, total, v.Total)
		for i, item := range v.Items[:min(length, 12)] {
			truth := uint64(1_000_000 >> min(i, 19))
			require.LessOrEqual(t, item.Lower, truth)
			require.GreaterOrEqual(t, item.Lower+v.Error, truth)
		}
		if n > 0 {
			require.GreaterOrEqual(t, v.Error, uint64(1_000_000>>min(length, 19)))
		}
	}
}

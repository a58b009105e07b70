package metric

import (
	"math"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"visor/sketch"
	"visor/sketch/hash64"
)

// Records of two versions merge if a metric of subjects within subjects is new, and if no subject
// is in both. A metric of a subject whose kinds differ is left out of all subjects.
func TestRecordNestedVersions(t *testing.T) {
	type (
		oldPort struct {
			In    sketch.Counter `metric:"in" prom:"x_in"`
			Other sketch.Counter `metric:"other" prom:"x_other"`
		}
		oldDevice struct {
			Ports Map[oldPort] `metric:"ports" label:"port"`
		}
		old struct {
			Devices Map[oldDevice] `metric:"devices" label:"device"`
		}

		newPort struct {
			In    sketch.Counter     `metric:"in" prom:"x_in"`
			Other sketch.Cardinality `metric:"other" prom:"x_other"`
			Names TopNames           `metric:"names" prom:"x_names" label:"name"`
		}
		newDevice struct {
			Ports Map[newPort]   `metric:"ports" label:"port"`
			Out   sketch.Counter `metric:"out" prom:"x_out"`
		}
		latest struct {
			Devices Map[newDevice] `metric:"devices" label:"device"`
		}
	)
	s1, err := NewSchema[old]("x", nil)
	require.NoError(t, err)
	s2, err := NewSchema[latest]("x", nil)
	require.NoError(t, err)
	h, every := hash64.Fixed(), GroupSet(math.MaxUint32)
	one, two, none := s1.New(), s2.New(), s2.New()
	one.Metrics.Devices.At("a").Ports.At("1").In.Add(1)
	one.Metrics.Devices.At("a").Ports.At("1").Other.Add(1)
	port := two.Metrics.Devices.At("b").Ports.At("2")
	port.In.Add(2)
	port.Other.Add(7)
	port.Names.Add(h.Sum([]byte("name")), []byte("name"), 3)
	for name, order := range map[string][]*Record{
		"old first": {travel(t, one.Record(every, 0), 0, h), travel(t, two.Record(every, 0), 0, h)},
		"new first": {travel(t, two.Record(every, 0), 0, h), travel(t, one.Record(every, 0), 0, h)},
		"no values": {travel(t, one.Record(every, 0), 0, h), travel(t, none.Record(every, 0), 0, h), travel(t, two.Record(every, 0), 0, h)},
	} {
		sum := new(Record)
		for _, r := range order {
			sum.Merge(r, nil)
		}
		got := make(map[string]int)
		for _, v := range travel(t, sum, 0, h).Values(every, show) {
			got[v.Prom]++
		}
		require.Equal(t, map[string]int{"x_in": 2, "x_names": 1, "x_out": 1}, got, name)
		require.Equal(t, []string{"x_other"}, sum.LeftOut(), name)
		require.ElementsMatch(t, []string{"x_names", "x_out"}, sum.Partial(), name)
		require.EqualValues(t, 1, Load[old]("x", sum).Devices.Find("a").Ports.Find("1").In.Value())
	}
}

// A list that was read is shown, appended again and merged alike, whether it is folded or not, and
// by several goroutines at once.
func TestFoldedList(t *testing.T) {
	type metrics struct {
		Names TopNames `metric:"names" label:"name"`
	}
	h := hash64.Fixed()
	schema, err := NewSchema[metrics]("x", nil)
	require.NoError(t, err)
	set := schema.New()
	for i := range 100 {
		name := []byte{byte('a' + i%26), byte('a' + i/26)}
		set.Metrics.Names.Add(h.Sum(name), name, uint64(i+1))
	}
	data := set.Record(GroupSet(math.MaxUint32), 0).AppendBinary(nil, 0)
	read, err := ReadRecord(data, h.ID(), NewRoom(0))
	require.NoError(t, err)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			var sum, twice Record
			sum.Merge(read, nil)
			assert.Equal(t, sum.Values(GroupSet(math.MaxUint32), Rendering{TopN: 20}), read.Values(GroupSet(math.MaxUint32), Rendering{TopN: 20}))
			assert.Equal(t, data, sum.AppendBinary(nil, 0))
			assert.Equal(t, data, read.AppendBinary(nil, 0))
			sum.Merge(read, nil)
			twice.Merge(&sum, nil)
			assert.Equal(t, sum.AppendBinary(nil, 0), twice.AppendBinary(nil, 0))
		})
	}
	group.Wait()
}

package metric

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode/dnsmsg"
	"visor/internal/wire"
	"visor/sketch"
	"visor/sketch/hash64"
)

// one has a metric of each kind.
type one struct {
	Counter   sketch.Counter     `metric:"counter" help:"events"`
	Gauge     Gauge              `metric:"gauge"`
	Min       Min                `metric:"min" sparse:"true"`
	Max       Max                `metric:"max" sparse:"true"`
	Mean      Mean               `metric:"mean" sparse:"true"`
	Distinct  sketch.Cardinality `metric:"distinct,many"`
	Times     sketch.Quantile    `metric:"times"`
	Ratios    sketch.Quantile    `metric:"ratios" float:"true"`
	Rate      sketch.Rate        `metric:"rates.all"`
	Histogram sketch.Histogram   `metric:"histogram"`
	Names     TopNames           `metric:"top.names" label:"name"`
	Domains   TopDomains         `metric:"top.domains" label:"name"`
	Places    TopLocations       `metric:"top.places" label:"place"`
	Addresses Top[IPv4]          `metric:"top.addresses" label:"ip"`
	Colors    Top[color]         `metric:"top.colors" label:"color"`
	Ports     TopNumbers[Port]   `metric:"top.ports" label:"port"`
	Codes     TopNumbers[code]   `metric:"top.codes" label:"code"`
	Bytes     TopSide            `metric:"top.bytes" label:"flow"`
	Packets   TopSide            `metric:"top.packets" label:"flow"`
	Hosts     Map[child]         `metric:"hosts" label:"host"`

	flows sketch.TopPairs
}

type child struct {
	Counter sketch.Counter `metric:"counter" prom:"x_host_counter"`
	Names   TopNames       `metric:"names" prom:"x_host_names" label:"name"`
	Parts   Map[part1]     `metric:"parts" label:"part"`
}

type part1 struct {
	Distinct sketch.Cardinality `metric:"distinct" prom:"x_part_distinct"`
}

type color [3]byte

func (c color) Compare(d color) int { return slices.Compare(c[:], d[:]) }
func (c color) String() string      { return fmt.Sprintf("#%x", c[:]) }

type code uint16

func (c code) String() string { return fmt.Sprintf("CODE%d", uint16(c)) }

func (m *one) Bind() {
	item := func(key []byte) Item { return Item{Name: "flow " + string(key), Lat: "1.5", Lon: "2"} }
	m.Bytes.Show(&m.flows, 0, item)
	m.Packets.Show(&m.flows, 1, item)
}

// event is what the sets of the tests count.
type event struct {
	n, second int64
	key       uint32
}

func events(seed uint64, n int, keys uint32) (out []event) {
	r := rand.New(rand.NewPCG(seed, 1))
	for range n {
		e := event{int64(r.Uint32N(9)) + 1, int64(r.Uint32N(60)), r.Uint32N(keys)}
		out = append(out, e)
		if e.key%3 == 0 { // some are heavy
			e.key %= 30
			out = append(out, e)
		}
	}
	return out
}

func (m *one) count(h *hash64.Hasher, e event) {
	n, name := uint64(e.n), fmt.Appendf(nil, "name%d", e.key)
	m.Counter.Add(n)
	m.Min.Add(n)
	m.Max.Add(n)
	m.Mean.Add(n)
	m.Gauge.Set(n, e.second+1)
	m.Distinct.Add(h.Sum(name))
	m.Times.Add(float64(n))
	m.Ratios.Add(float64(n) / 8)
	m.Rate.Add(e.second, n)
	m.Histogram.Add(n)
	m.Names.Add(h.Sum(name), name, n)
	domain := dnsmsg.NameFromWire(append(append([]byte{byte(len(name))}, name...), 0))
	m.Domains.Add(domain.Hash(h), domain, n)
	place := append(name, 0, '1', 0, '2')
	m.Places.Add(h.Sum(place), place, n)
	address := IPv4(binary.BigEndian.AppendUint32(nil, e.key))
	m.Addresses.Add(h.Sum(address[:]), address, n)
	c := color{byte(e.key), byte(e.key >> 8)}
	m.Colors.Add(h.Sum(c[:]), c, n)
	m.Ports.Add(Port(e.key), n)
	m.Codes.Add(code(e.key%40), n)
	var k sketch.PairKey
	k.Set(h.Sum(name), name)
	m.flows.Add(&k, sketch.Pair{n, 1})
	host := m.Hosts.At(fmt.Sprintf("h%d", e.key%5))
	host.Counter.Add(n)
	host.Names.Add(h.Sum(name), name, n)
	host.Parts.At(fmt.Sprintf("p%d", e.key%2)).Distinct.Add(h.Sum(name))
}

func schema(t testing.TB) (*Schema[one], GroupSet) {
	groups := GroupNames{"many"}
	s, err := NewSchema[one]("x", groups)
	require.NoError(t, err)
	return s, groups.All()
}

var show = Rendering{TopN: 1 << 20, Seconds: 60, Running: -1}

// travel returns the metrics after a journey.
func travel(t testing.TB, r *Record, n int, h *hash64.Hasher) *Record {
	data := r.AppendBinary(nil, n)
	out, err := ReadRecord(data, h.ID(), NewRoom(len(data)))
	require.NoError(t, err)
	require.Equal(t, data, out.AppendBinary(nil, 0), "bytes are the same after a journey")
	return out
}

// A Record shows what the Set shows, and the Set that is loaded from it does, too.
// withoutTotals removes the totals of fields.
func withoutTotals(fields []Field) []Field {
	for i := range fields {
		fields[i].Total = Total{}
		withoutTotals(fields[i].Subjects)
	}
	return fields
}

func TestRecord(t *testing.T) {
	s, groups := schema(t)
	h := hash64.Random()
	set := s.New()
	empty := travel(t, set.Record(groups, 0), 0, h)
	require.Equal(t, set.Values(groups, show), empty.Values(groups, show))
	for _, e := range events(1, 8000, 5000) {
		set.Metrics.count(h, e)
	}
	want := set.Values(groups, show)
	r := travel(t, set.Record(groups, 0), 0, h)
	require.Equal(t, want, r.Values(groups, show))
	require.Equal(t, withoutTotals(s.Fields()), r.Fields(), "totals are of the program that counts")
	m := Load[one]("x", r)
	loaded := s.New()
	loaded.load(r.fields, &r.sum)
	require.Equal(t, want, loaded.Values(groups, show))
	require.Equal(t, set.Metrics.Names.Top(5), m.Names.Top(5))
	require.Equal(t, set.Metrics.Colors.Top(5, color.Compare), m.Colors.Top(5, color.Compare))
	require.Equal(t, set.Metrics.flows.Top(5, 1), m.flows.Top(5, 1))
	require.Equal(t, set.Metrics.Hosts.Find("h1").Parts.Find("p0").Distinct.Estimate(), m.Hosts.Find("h1").Parts.Find("p0").Distinct.Estimate())
	require.Nil(t, Load[struct {
		N int `metric:"n"`
	}]("x", r))
}

// Any split of a stream into any number of sets, merged in any order, with any bound of the lists,
// equals one set: exactly, or in lists within the stated errors.
func TestRecordMerge(t *testing.T) {
	s, groups := schema(t)
	seeds := uint64(12)
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 2))
		h := hash64.Random()
		all := events(seed, 3000, 1+r.Uint32N(20_000))
		whole, parts := s.New(), make([]*Set[one], 1+r.IntN(9))
		for i := range parts {
			parts[i] = s.New()
		}
		for _, e := range all {
			whole.Metrics.count(h, e)
			parts[r.IntN(len(parts))].Metrics.count(h, e)
		}
		bound := []int{0, 1, 10, 256}[seed%4]
		var records []*Record
		for _, p := range parts {
			records = append(records, travel(t, p.Record(groups, 0), bound, h))
		}
		for len(records) > 1 { // merge any two
			i := r.IntN(len(records) - 1)
			sum := new(Record)
			sum.Merge(records[i+1], nil)
			sum.Merge(records[i], nil)
			records[i] = travel(t, sum, bound, h)
			records = slices.Delete(records, i+1, i+2)
		}
		sum := records[0]
		require.Empty(t, sum.LeftOut())
		require.Empty(t, sum.Partial())
		compare(t, whole.Values(groups, show), sum.Values(groups, show), bound == 0)
	}
}

// compare checks values of a merge with values of one count.
func compare(t *testing.T, want, got []Value, exact bool) {
	require.Len(t, got, len(want))
	for i, v := range got {
		w := want[i]
		switch {
		case w.Prom == "x_gauge": // of equal times, any value
		case w.Kind != KindTop || exact:
			require.Equal(t, w, v)
		default:
			require.Equal(t, w.Total, v.Total)
			checkItems(t, &w, &v)
		}
	}
}

// checkItems checks that the true counts, which want has, are in the bounds of got.
func checkItems(t *testing.T, want, got *Value) {
	found := make(map[string]Item)
	for _, item := range got.Items {
		require.LessOrEqual(t, item.Estimate-item.Lower, got.Error)
		found[item.Name] = item
	}
	for _, item := range want.Items {
		has, ok := found[item.Name]
		if !ok {
			require.LessOrEqual(t, item.Lower, got.Error, "%s %s", want.Prom, item.Name)
			continue
		}
		require.LessOrEqual(t, has.Lower, item.Estimate, "%s %s", want.Prom, item.Name)
		require.GreaterOrEqual(t, has.Estimate, item.Lower, "%s %s", want.Prom, item.Name)
	}
}

// Under different keys, cardinalities are left out by name, and a key of both lists counts once.
func TestRecordMergeKeys(t *testing.T) {
	s, groups := schema(t)
	sum := new(Record)
	for range 3 {
		h := hash64.Random()
		set := s.New()
		for _, e := range events(1, 100, 50) {
			set.Metrics.count(h, e)
		}
		sum.Merge(travel(t, set.Record(groups, 0), 0, h), nil)
	}
	require.Equal(t, []string{"x_distinct", "x_part_distinct"}, sum.LeftOut())
	after, err := ReadRecord(sum.AppendBinary(nil, 0), hash64.ID{}, NewRoom(1<<20))
	require.NoError(t, err)
	require.Equal(t, sum.LeftOut(), after.LeftOut())
	again := new(Record)
	again.Merge(after, nil)
	again.Merge(after, nil)
	set := s.New()
	for range 6 {
		for _, e := range events(1, 100, 50) {
			set.Metrics.count(hash64.Fixed(), e)
		}
	}
	want := slices.DeleteFunc(set.Values(groups, show), func(v Value) bool { return v.Kind == KindCardinality })
	compare(t, want, again.Values(groups, show), true)
}

// Of different versions, each metric has the counts of those that have it. An unknown kind of value
// is kept, shown as unknown, and left out of a sum by name.
func TestRecordVersions(t *testing.T) {
	type first struct {
		A sketch.Counter `metric:"a,one"`
		B sketch.Counter `metric:"b,one"`
	}
	type second struct {
		C sketch.Counter  `metric:"c,two"`
		B sketch.Counter  `metric:"b,one"`
		A sketch.Quantile `metric:"a,one"`
	}
	h := hash64.Fixed()
	s1, err := NewSchema[first]("x", GroupNames{"one"})
	require.NoError(t, err)
	s2, err := NewSchema[second]("x", GroupNames{"two", "one"})
	require.NoError(t, err)
	one, two := s1.New(), s2.New()
	one.Metrics.A.Add(1)
	one.Metrics.B.Add(2)
	two.Metrics.B.Add(3)
	two.Metrics.C.Add(4)
	sum := new(Record)
	sum.Merge(travel(t, one.Record(1, 0), 0, h), nil)
	regroup := func(g GroupSet) GroupSet { return g&1<<1 | g>>1 }
	sum.Merge(travel(t, two.Record(3, 0), 0, h), regroup)
	require.Equal(t, []string{"x_a"}, sum.LeftOut())
	require.Equal(t, []string{"x_c"}, sum.Partial())
	values := sum.Values(3, show)
	require.Len(t, values, 2)
	require.Equal(t, []any{"x_b", uint64(5), "x_c", uint64(4)}, []any{values[0].Prom, values[0].Int, values[1].Prom, values[1].Int})
	require.Len(t, sum.Values(1, show), 1)

	data := one.Record(1, 0).AppendBinary(nil, 0)
	data[len(data)-8]++ // the kind of A's value and of its declaration
	data[2] = data[len(data)-8]
	for _, kind := range []byte{200, data[2]} {
		data[len(data)-8], data[2] = kind, kind
		if kind != 200 {
			continue
		}
		unknown, err := ReadRecord(data, h.ID(), NewRoom(len(data)))
		require.NoError(t, err)
		require.Equal(t, data, unknown.AppendBinary(nil, 0), "it is kept")
		values := unknown.Values(1, show)
		require.Equal(t, []any{"x_a", KindUnknown, "x_b", uint64(2)}, []any{values[0].Prom, values[0].Kind, values[1].Prom, values[1].Int})
		sum := new(Record)
		sum.Merge(unknown, nil)
		require.Empty(t, sum.LeftOut())
		sum.Merge(unknown, nil)
		require.Equal(t, []string{"x_a"}, sum.LeftOut())
		require.EqualValues(t, 4, sum.Values(1, show)[0].Int)
	}
}

// A few bytes cannot make the reader use much memory, and no bytes make it panic.
func TestReadRecordIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out much memory")
	}
	type wide struct {
		Hosts Map[struct {
			Times sketch.Quantile `metric:"times" prom:"x_times"`
		}] `metric:"hosts" label:"host"`
	}
	s, err := NewSchema[wide]("x", nil)
	require.NoError(t, err)
	set := s.New()
	for i := range 1000 {
		m := set.Metrics.Hosts.At(fmt.Sprint(i))
		for k := range 300 {
			m.Times.Add(float64(uint64(1) << (k % 40)))
		}
	}
	data := set.Record(0, 0).AppendBinary(nil, 0)
	require.Less(t, len(data), 300_000)
	_, err = ReadRecord(data, hash64.ID{1}, NewRoom(len(data)))
	require.ErrorContains(t, err, "its values need more than 64 MiB of memory")
}

// Records of one snapshot share their memory: what the first takes, the second lacks.
func TestRecordsShareRoom(t *testing.T) {
	type metrics struct {
		Names TopNames `metric:"names" label:"name"`
	}
	h := hash64.Fixed()
	schema, err := NewSchema[metrics]("x", nil)
	require.NoError(t, err)
	set := schema.New()
	for _, name := range []string{"a", "b", "c"} {
		set.Metrics.Names.Add(h.Sum([]byte(name)), []byte(name), 1)
	}
	data := set.Record(GroupSet(math.MaxUint32), 0).AppendBinary(nil, 0)
	used := NewRoom(0)
	_, err = ReadRecord(data, h.ID(), used)
	require.NoError(t, err)
	need := NewRoom(0).bytes - used.bytes
	require.Positive(t, need)
	room := &Room{bytes: 2*need - 1}
	_, err = ReadRecord(data, h.ID(), room)
	require.NoError(t, err)
	_, err = ReadRecord(data, h.ID(), room)
	require.ErrorContains(t, err, "MiB of memory")
}

func FuzzReadRecord(f *testing.F) {
	s, groups := schema(f)
	set := s.New()
	f.Add(set.Record(groups, 0).AppendBinary(nil, 0))
	for _, e := range events(1, 20, 9) {
		set.Metrics.count(hash64.Fixed(), e)
	}
	f.Add(set.Record(groups, 0).AppendBinary(nil, 0))
	f.Add(wire.AppendText(nil, "visor"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ReadRecord(data, hash64.ID{1}, NewRoom(len(data)))
		if err != nil {
			return
		}
		r.Values(^GroupSet(0), show)
		Load[one]("x", r)
		once := r.AppendBinary(nil, 0)
		again, err := ReadRecord(once, hash64.ID{1}, NewRoom(len(once)))
		require.NoError(t, err)
		require.Equal(t, once, again.AppendBinary(nil, 0))
		sum := new(Record)
		sum.Merge(r, nil)
		sum.Merge(r, nil)
		other, err := ReadRecord(set.Record(groups, 0).AppendBinary(nil, 0), hash64.ID{2}, NewRoom(1<<20))
		require.NoError(t, err)
		sum.Merge(other, nil)
		_, err = ReadRecord(sum.AppendBinary(nil, 5), hash64.ID{}, NewRoom(1<<20))
		require.NoError(t, err)
	})
}

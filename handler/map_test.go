package handler_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/handler"
	"visor/handler/metric"
	"visor/internal/packettest"
	"visor/sketch"
)

type volume struct {
	TCP sketch.Counter `metric:"{dir}_tcp_{unit},counters" help:"TCP {unit}"`
}

type port struct {
	In   volume          `with:"dir=in unit=bytes,volumes"`
	Out  volume          `with:"dir=out unit=bytes,volumes"`
	Lost sketch.Counter  `metric:"lost" sparse:"true"`
	Top  metric.TopNames `metric:"top" label:"name"`
}

type device struct {
	Records sketch.Counter   `metric:"records,counters"`
	Ports   metric.Map[port] `metric:"ports" label:"device_port"`
}

type deviceMetrics struct {
	Devices metric.Map[device] `metric:"devices" label:"device"`
}

// perDevice counts every packet for a device and one of its ports. The devices alternate in every
// period.
type perDevice struct {
	handler.Declared[deviceMetrics]
}

func (h *perDevice) NewShard() handler.Shard { return &perDeviceShard{Base: h.NewBase()} }

type perDeviceShard struct {
	handler.Base[deviceMetrics]
	periods int
}

func (s *perDeviceShard) Shift(startNS int64) { s.Base.Shift(startNS); s.periods++ }

func (s *perDeviceShard) Process(b *handler.Batch) {
	for range b.Packets {
		d := s.Live.Devices.At([]string{"a", "b"}[s.periods%2])
		d.Records.Add(1)
		d.Ports.At("7").In.TCP.Add(10)
		d.Ports.At("9").Top.Add(1, []byte("x"), 1)
	}
}

func newPerDevice(t testing.TB, s handler.Settings) handler.Handler {
	spec := handler.Spec{Type: "x", Groups: metric.GroupNames{"counters", "volumes"}, Defaults: 1}
	d, err := handler.Declare[deviceMetrics](spec, s)
	require.NoError(t, err)
	return &perDevice{d}
}

// shown lists values as "path{labels} family=value".
func shown(m *handler.Module) (out []string) {
	for _, v := range m.Values() {
		labels := ""
		for _, l := range v.Labels {
			labels += " " + l.Name + "=" + l.Value
		}
		out = append(out, strings.Join(v.Path, ".")+labels+" "+v.Prom+" "+string(rune('0'+v.Int%10)))
	}
	return out
}

func TestEach(t *testing.T) {
	h := newPerDevice(t, handler.Settings{Enable: []string{"all"}})
	var frames []capture.Frame
	for n := range 3 {
		f := packettest.UDP(0, "192.0.2.1:1", "192.0.2.2:2", nil)
		f.TimeNS += int64(n) * int64(handler.PeriodLength)
		frames = append(frames, f)
	}
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{capture.NewMemory(frames)}, Handlers: []handler.Handler{h}})
	require.NoError(t, err)
	require.NoError(t, p.Run(t.Context()))
	of := func(device, records, bytes string) []string {
		at := "devices." + device
		return []string{
			at + ".records device=" + device + " x_records " + records,
			at + ".ports.7.in_tcp_bytes device=" + device + " device_port=" + device + "|7 x_in_tcp_bytes " + bytes,
			at + ".ports.7.out_tcp_bytes device=" + device + " device_port=" + device + "|7 x_out_tcp_bytes 0",
			at + ".ports.7.top device=" + device + " device_port=" + device + "|7 x_top 0",
			at + ".ports.9.in_tcp_bytes device=" + device + " device_port=" + device + "|9 x_in_tcp_bytes 0",
			at + ".ports.9.out_tcp_bytes device=" + device + " device_port=" + device + "|9 x_out_tcp_bytes 0",
			at + ".ports.9.top device=" + device + " device_port=" + device + "|9 x_top 0",
		}
	}
	for n, want := range [][]string{of("a", "1", "0"), of("b", "1", "0")} {
		snap, err := p.Bucket(n)
		require.NoError(t, err)
		require.Equal(t, want, shown(&snap.Modules[0]))
	}
	snap, err := p.Window(5)
	require.NoError(t, err)
	require.Equal(t, append(of("a", "2", "0"), of("b", "1", "0")...), shown(&snap.Modules[0]))
	m := handler.Find[deviceMetrics](snap)
	require.Equal(t, uint64(20), m.Devices.Find("a").Ports.Find("7").In.TCP.Value())
	require.Nil(t, m.Devices.Find("c"))
	require.Equal(t, 2, m.Devices.Len())
	var names []string
	for name := range m.Devices.All() {
		names = append(names, name)
	}
	require.Equal(t, []string{"a", "b"}, names)
}

// The copy of a bucket has the same subjects as that bucket.
func TestEachForgets(t *testing.T) {
	h := newPerDevice(t, handler.Settings{Periods: 2})
	var frames []capture.Frame
	for n := range 4 {
		f := packettest.UDP(0, "192.0.2.1:1", "192.0.2.2:2", nil)
		f.TimeNS += int64(n) * int64(handler.PeriodLength)
		frames = append(frames, f)
	}
	src := capture.NewMemory(frames)
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{src}, Handlers: []handler.Handler{h}})
	require.NoError(t, err)
	require.NoError(t, p.Run(t.Context()))
	for range 2 { // the second query overwrites the first one's copy
		for n, want := range []string{"b", "a"} {
			snap, err := p.Bucket(n)
			require.NoError(t, err)
			m := handler.Find[deviceMetrics](snap)
			require.Equal(t, 1, m.Devices.Len())
			require.NotNil(t, m.Devices.Find(want))
		}
	}
}

// Folding a subject into another adds all of its counts. Unused memory is released.
func TestEachFold(t *testing.T) {
	h := newPerDevice(t, handler.Settings{}).(*perDevice)
	each := &h.NewBase().Live.Devices
	for i, name := range []string{"a", "b"} {
		d := each.At(name)
		d.Records.Add(uint64(1 + i))
		d.Ports.At("7").In.TCP.Add(10)
	}
	require.Positive(t, each.SizeOf("a"))
	require.Equal(t, each.SizeOf("a")+each.SizeOf("b"), each.Size())
	require.Equal(t, 1, each.Periods("a"))
	each.Fold("a", "others")
	each.Fold("b", "others")
	each.Fold("b", "others")
	each.Fold("others", "others")
	require.Equal(t, 1, each.Len())
	require.Zero(t, each.SizeOf("a"))
	require.Zero(t, each.Periods("a"))
	require.Equal(t, 2, each.Periods("others"))
	others := each.Find("others")
	require.Equal(t, uint64(3), others.Records.Value())
	require.Equal(t, uint64(20), others.Ports.Find("7").In.TCP.Value())

	each.Reset()
	require.Positive(t, each.Size(), "it waits for others to come again")
	each.Trim()
	require.Zero(t, each.Size())
}

// conversations are counted by bytes and by packets.
type conversations struct {
	Bytes   metric.TopSide `metric:"top_bytes" label:"name"`
	Packets metric.TopSide `metric:"top_packets" label:"name"`

	list sketch.TopPairs
}

func (c *conversations) Bind() {
	item := func(key []byte) metric.Item { return metric.Item{Name: "<" + string(key) + ">"} }
	c.Bytes.Show(&c.list, 0, item)
	c.Packets.Show(&c.list, 1, item)
}

// Both scales of a list are metrics, and the list is merged, copied and emptied once.
func TestTopSide(t *testing.T) {
	d, err := handler.Declare[conversations](handler.Spec{Type: "x"}, handler.Settings{})
	require.NoError(t, err)
	require.Equal(t, metric.KindTop, d.Info().Metrics[1].Kind)
	add := func(c *conversations, name string, bytes, packets uint64) {
		var k sketch.PairKey
		k.Set(uint64(len(name)), []byte(name))
		c.list.Add(&k, sketch.Pair{bytes, packets})
	}
	base := d.NewBase()
	add(base.Live, "a", 100, 1)
	add(base.Live, "bb", 50, 2)
	require.Equal(t, []metric.Item{{Name: "<a>", Estimate: 100, Lower: 100}}, base.Live.Bytes.Items(1))
	require.Equal(t, []metric.Item{{Name: "<bb>", Estimate: 2, Lower: 2}}, base.Live.Packets.Items(1))
	require.Equal(t, []uint64{150, 3}, []uint64{base.Live.Bytes.Total(), base.Live.Packets.Total()})
	base.Shift(1)
	require.Empty(t, base.Live.Packets.Items(1))

	var unbound metric.TopSide
	require.Empty(t, unbound.Items(1))
	require.Zero(t, unbound.Total())
}

func TestNewSchemaRejectsParts(t *testing.T) {
	type badGroup struct {
		In volume `with:"dir=in unit=bytes,nothing"`
	}
	_, err := metric.NewSchema[badGroup]("x", metric.GroupNames{"counters"})
	require.ErrorContains(t, err, `unknown metric group "nothing"`)
	type badWord struct {
		In volume `with:"dir=in"`
	}
	_, err = metric.NewSchema[badWord]("x", metric.GroupNames{"counters"})
	require.ErrorContains(t, err, "invalid metric name: x_in_tcp_{unit}")
}

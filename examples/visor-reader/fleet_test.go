package main

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/export"
	"visor/export/history"
	"visor/export/prom"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/metric"
	"visor/internal/packettest"
	"visor/internal/trafficgen"
	"visor/sketch"
)

// Newest are metrics of dns in a later build. The name has as many letters as dns.Metrics.
type Newest struct {
	Queries sketch.Counter `metric:"wire_packets.queries,counters" help:"DNS queries"`
	Fresh   sketch.Counter `metric:"fresh,counters" help:"a metric of a later build"`
	Odd     sketch.Counter `metric:"odd,counters" help:"a metric whose kind a later build has"`
}

// Strange are metrics of an analyzer of another build.
type Strange struct {
	Frames sketch.Counter   `metric:"frames" help:"frames"`
	Names  metric.TopNames  `metric:"top_names" label:"name" help:"names"`
	Sizes  sketch.Quantile  `metric:"sizes" help:"sizes"`
	Hosts  metric.Map[Host] `metric:"hosts" label:"host"`
}

// Host is a subject of Strange.
type Host struct {
	Frames sketch.Counter `metric:"frames" prom:"strange_host_frames" help:"frames of the host"`
}

const oddValue = 987_654_321

type counting[M any] struct {
	handler.Declared[M]
	count func(*handler.Base[M], *M)
}

func (c *counting[M]) NewShard() handler.Shard { return &countingShard[M]{c.NewBase(), c.count} }

type countingShard[M any] struct {
	handler.Base[M]
	count func(*handler.Base[M], *M)
}

func (s *countingShard[M]) Process(b *handler.Batch) {
	for range b.Packets {
		s.count(&s.Base, s.Live)
	}
}

// laterSnapshot returns the snapshot of a build that has a metric, a kind of metric and an analyzer
// that this one lacks. It has n frames.
func laterSnapshot(t *testing.T, agent string, at time.Time, n int, like handler.Info) []byte {
	later, err := handler.Declare[Newest](handler.Spec{
		Type: like.Type, Version: like.Version, Schema: like.Schema, Groups: metric.GroupNames{"counters"}, Defaults: 1,
	}, handler.Settings{Name: like.Name})
	require.NoError(t, err)
	strange, err := handler.Declare[Strange](handler.Spec{Type: "strange"}, handler.Settings{})
	require.NoError(t, err)
	handlers := []handler.Handler{
		&counting[Newest]{later, func(_ *handler.Base[Newest], m *Newest) {
			m.Queries.Add(1)
			m.Fresh.Add(2)
			m.Odd = oddValue
		}},
		&counting[Strange]{strange, func(b *handler.Base[Strange], m *Strange) {
			m.Frames.Add(1)
			m.Names.Add(b.Hash.Sum([]byte("odd name")), []byte("odd name"), 1)
			m.Sizes.Add(100)
			m.Hosts.At("host of " + agent).Frames.Add(1)
		}},
	}
	frames := make([]capture.Frame, n)
	for i := range frames {
		frames[i] = packettest.UDP(0, "192.0.2.1:5000", "198.51.100.1:5001", nil)
		frames[i].TimeNS = at.UnixNano() + int64(i)
	}
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{capture.NewMemory(frames)}, Handlers: handlers})
	require.NoError(t, err)
	require.NoError(t, p.Run(t.Context()))
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	data, err := snap.AppendBinary(nil, handler.Origin{Agent: agent, Program: "visord 9.0"}, handler.DefaultEntries)
	require.NoError(t, err)
	return asLater(t, data)
}

// asLater changes a snapshot: the struct of dns has its usual name, and a metric an unknown kind.
func asLater(t *testing.T, data []byte) []byte {
	data = bytes.Replace(data, []byte("main.Newest"), []byte("dns.Metrics"), 1)
	const counterKind, version, unknownKind = 1, 1, 200
	declaration := bytes.Index(data, []byte("\x03odd"))
	require.Positive(t, declaration)
	declaration -= 5 // the number of texts, the groups, the flags, the keys; then the kind
	require.EqualValues(t, counterKind, data[declaration])
	value := binary.AppendUvarint(nil, oddValue)
	at := bytes.Index(data, append([]byte{counterKind, version, byte(len(value))}, value...))
	require.Positive(t, at)
	data[declaration], data[at] = unknownKind, unknownKind
	end := len(data) - crc32.Size
	binary.LittleEndian.PutUint32(data[end:], crc32.Checksum(data[:end], crc32.MakeTable(crc32.Castagnoli)))
	return data
}

// values returns the values of a module by Prometheus name.
func values(t *testing.T, s *handler.Snapshot, module string) map[string]metric.Value {
	out := make(map[string]metric.Value)
	for i := range s.Modules {
		if m := &s.Modules[i]; m.Name == module {
			for _, v := range m.Values() {
				out[v.Prom] = v
			}
		}
	}
	require.NotEmpty(t, out)
	return out
}

// A fleet of mixed versions: what a later build counted is read, merged with counts of this build,
// shown, and kept in a history. A kind that is unknown is shown as such, and left out of a sum.
func TestFleetOfVersions(t *testing.T) {
	ownFile := snapshotOf(t, sample, "-H", trafficgen.LocalNets)
	own := readFile(t, ownFile)
	var like handler.Info
	for i := range own.Modules {
		if own.Modules[i].Name == "dns" {
			like = own.Modules[i].Info
		}
	}
	start := time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC)
	a, b := laterSnapshot(t, "later a", start, 10, like), laterSnapshot(t, "later b", start.Add(time.Minute), 20, like)
	first, err := handler.ReadSnapshot(a)
	require.NoError(t, err)
	second, err := handler.ReadSnapshot(b)
	require.NoError(t, err)
	require.Equal(t, metric.KindUnknown, values(t, first, "dns")["dns_odd"].Kind)
	require.EqualValues(t, 10, dns.From(first).Queries.Value())

	sum, err := handler.Merge(own, first, second)
	require.NoError(t, err)
	got := values(t, sum, "dns")
	require.EqualValues(t, 246+30, got["dns_wire_packets_queries"].Int)
	require.EqualValues(t, 2*30, got["dns_fresh"].Int)
	require.NotContains(t, got, "dns_odd")
	require.EqualValues(t, 30, values(t, sum, "strange")["strange_frames"].Int)
	require.EqualValues(t, 30, values(t, sum, "strange")["strange_top_names"].Items[0].Estimate)
	for i := range sum.Modules {
		if m := &sum.Modules[i]; m.Name == "dns" {
			require.Equal(t, []string{"dns_odd"}, m.LeftOut)
			require.Contains(t, m.Partial, "dns_fresh")
			require.NotContains(t, m.Partial, "dns_wire_packets_queries")
		}
	}
	require.EqualValues(t, 276, dns.From(sum).Queries.Value(), "typed access still works")

	var text bytes.Buffer
	require.NoError(t, export.WriteJSON(&text, first))
	require.Contains(t, text.String(), `"odd":"unknown"`)
	require.Contains(t, text.String(), `"fresh":20`)
	require.Contains(t, text.String(), `"host of later a":{"frames":10}`)
	text.Reset()
	require.NoError(t, prom.WriteText(&text, export.Families(first, export.FamilyConfig{})))
	require.Contains(t, text.String(), "\nstrange_frames{} 10\n")
	require.Contains(t, text.String(), `strange_host_frames{host="host of later a"} 10`)
	require.NotContains(t, text.String(), "dns_odd")

	store, err := history.Open(history.Config{Path: filepath.Join(t.TempDir(), "history.db"), Keep: history.Keep{Minute: 1e18, Hour: 2e18, Day: 3e18}})
	require.NoError(t, err)
	defer store.Close()
	store.Add("p", first, handler.Origin{})
	store.Add("p", second, handler.Origin{})
	require.Eventually(t, func() bool { return store.Stats().Written == 2 }, time.Minute, time.Millisecond)
	one, err := store.Range(t.Context(), "p", start, start.Add(time.Minute))
	require.NoError(t, err)
	require.Equal(t, metric.KindUnknown, values(t, one.Snapshot, "dns")["dns_odd"].Kind, "it is kept")
	both, err := store.Range(t.Context(), "p", start, start.Add(2*time.Minute))
	require.NoError(t, err)
	require.EqualValues(t, 60, values(t, both.Snapshot, "dns")["dns_fresh"].Int)
	require.NotContains(t, values(t, both.Snapshot, "dns"), "dns_odd")

	dir := t.TempDir()
	fileA, fileB := filepath.Join(dir, "a.vsnap"), filepath.Join(dir, "b.vsnap")
	require.NoError(t, os.WriteFile(fileA, a, 0o600))
	require.NoError(t, os.WriteFile(fileB, b, 0o600))
	code, stdout, stderr := call(t, nil, fileA, fileB, ownFile)
	require.Equal(t, exitDone, code, stderr)
	require.Contains(t, stdout, `"fresh":60`)
	require.NotContains(t, stdout, `"odd"`)
	require.Contains(t, stderr, "unknown to this program: dns_odd")
	require.Contains(t, stderr, "of later b, visord 9.0: 2026-01-01 01:01:00 to ")
	code, stdout, stderr = call(t, nil, "--format", "text", "--all", fileA)
	require.Equal(t, exitDone, code, stderr)
	require.Contains(t, strings.ToLower(stdout), "strange")
	require.Contains(t, stdout, "unknown")
}

func readFile(t *testing.T, path string) *handler.Snapshot {
	in := openSnapshot(path)
	require.NotNil(t, in)
	defer in.Close()
	data, err := io.ReadAll(in)
	require.NoError(t, err)
	s, err := handler.ReadSnapshot(data)
	require.NoError(t, err)
	return s
}

package handler_test

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/handler"
	"visor/handler/dns"
	"visor/handler/network"
	"visor/sketch/hash64"
)

// read returns a snapshot after a journey.
func read(t *testing.T, s *handler.Snapshot, by handler.Origin) *handler.Snapshot {
	data, err := s.AppendBinary(nil, by, handler.DefaultEntries)
	require.NoError(t, err)
	out, err := handler.ReadSnapshot(data)
	require.NoError(t, err)
	return out
}

// first returns the answer for queries at some seconds.
func first(t *testing.T, tap string, hash *hash64.Hasher, seconds ...int64) *handler.Snapshot {
	snap, err := counted(t, tap, hash, seconds...).Bucket(0)
	require.NoError(t, err)
	return snap
}

// A program that declares the metrics of a snapshot has typed access to them. It sees the origin.
func TestReadSnapshot(t *testing.T) {
	snap := first(t, "eth0", nil, 0, 0, 10)
	tags := map[string]string{"site": "a"}
	got := read(t, snap, handler.Origin{Agent: "host1", Policy: "p", Program: "visord 1", Tags: tags})
	require.Equal(t, snap.Period, got.Period)
	require.Len(t, got.Modules, 2)
	for i, m := range got.Modules {
		want := &snap.Modules[i]
		info := m.Info
		require.LessOrEqual(t, len(info.Metrics), len(want.Metrics), "metrics of enabled groups")
		// these do not travel
		info.Metrics, info.Own, info.Forwards = want.Metrics, want.Own, want.Forwards
		require.Equal(t, want.Info, info)
		require.Equal(t, want.Values(), m.Values())
		require.Equal(t, []any{want.Start, want.Length, want.Frames, want.HashID}, []any{m.Start, m.Length, m.Frames, m.HashID})
		start := want.Start.Truncate(time.Second)
		require.Equal(t, []handler.Counted{{
			Origin: handler.Origin{Agent: "host1", Policy: "p", Program: "visord 1", Tags: tags}, Module: m.Name, Tap: "eth0",
			Spans: []handler.Interval{{Start: start, End: start.Add(11 * time.Second)}},
		}}, m.Counted)
	}
	require.EqualValues(t, 3, network.From(got).Total.Value())
	require.EqualValues(t, 1, network.From(got).RateTotal.At(snap.Modules[0].Start.Unix()+10))
	m := dns.From(got)
	require.EqualValues(t, 3, m.Queries.Value())
	require.EqualValues(t, 1, m.QName.Estimate())
	require.Equal(t, "www.example.com", m.TopQName3.Top(1)[0].Key.String())
	require.Nil(t, network.FromByDirection(got))
}

// sealed writes the checksum at the end of b.
func sealed(b []byte) []byte {
	n := len(b) - 4
	binary.LittleEndian.PutUint32(b[n:], crc32.Checksum(b[:n], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// Bytes that are not a snapshot are an error with their place.
func TestReadSnapshotRejects(t *testing.T) {
	data, err := first(t, "a", nil, 0).AppendBinary(nil, handler.Origin{}, 0)
	require.NoError(t, err)
	stride := 1
	if testing.Short() {
		stride = 7
	}
	for n := 0; n < len(data); n += stride {
		_, err := handler.ReadSnapshot(data[:n])
		require.Error(t, err, "%d bytes", n)
		const input = 8 // bytes; the first snapshots end before it
		if n >= 10 && n != len(data)-input {
			_, err = handler.ReadSnapshot(sealed(slices.Clone(data[:n])))
			require.ErrorContains(t, err, "byte ", "%d bytes", n)
		}
	}
	for i := 0; i < len(data); i += stride {
		damaged := slices.Clone(data)
		damaged[i] ^= 0x40
		_, err := handler.ReadSnapshot(damaged)
		require.ErrorContains(t, err, "byte ", "byte %d damaged", i)
	}
	newer := slices.Clone(data)
	newer[5] = 2
	_, err = handler.ReadSnapshot(sealed(newer))
	require.ErrorContains(t, err, "version 2 of snapshots is unknown; update this program")
}

// What does not add up is an error, and the sum stays as it was.
func TestMergeRejects(t *testing.T) {
	a := read(t, first(t, "a", nil, 0, 30), handler.Origin{Agent: "a"})
	twice := read(t, first(t, "a", nil, 20, 40), handler.Origin{Agent: "a"})
	_, err := handler.Merge(a, twice)
	require.ErrorContains(t, err, "handler: a-net of a counted ")
	require.ErrorContains(t, err, "twice")

	m := handler.Merger{Overlap: true}
	require.NoError(t, m.Add(a, handler.Origin{}))
	require.NoError(t, m.Add(twice, handler.Origin{}))
	require.EqualValues(t, 4, network.From(m.Snapshot()).Total.Value())

	for _, other := range []handler.Origin{{}, {Agent: "b"}, {Agent: "a", Policy: "p"}} {
		sum, err := handler.Merge(a, read(t, first(t, "a", nil, 20, 40), other))
		require.NoError(t, err)
		require.EqualValues(t, 4, network.From(sum).Total.Value())
		require.Len(t, sum.Modules[0].Counted, 2)
	}

	short := *a
	short.Period = 7 * time.Second
	_, err = handler.Merge(a, &short)
	require.EqualError(t, err, "handler: periods of 1m0s and of 7s do not fit together")

	other := *a
	other.Modules = slices.Clone(a.Modules)
	other.Modules[0].Version, other.Modules[1].Counted = "2.0", []handler.Counted{}
	m = handler.Merger{}
	require.NoError(t, m.Add(a, handler.Origin{}))
	require.EqualError(t, m.Add(&other, handler.Origin{}), "handler: a-net is a net 1.0 and a net 2.0: they cannot be merged")
	require.EqualValues(t, 2, network.From(m.Snapshot()).Total.Value())
}

// A sum of several periods is a window of them, so that export.WriteJSON names it by its length.
// Hosts that counted the same period add nothing.
func TestMergeWindow(t *testing.T) {
	counted := func(agent string, at int64) *handler.Snapshot {
		return read(t, first(t, agent, nil, at, at+59), handler.Origin{Agent: agent})
	}
	for want, parts := range map[int][]*handler.Snapshot{
		0: {counted("a", 0), counted("b", 0)},
		3: {counted("a", 0), counted("a", 60), counted("b", 60), counted("a", 600)},
	} {
		sum, err := handler.Merge(parts...)
		require.NoError(t, err)
		require.Equal(t, want, sum.Window)
		require.Equal(t, handler.PeriodLength, sum.Period)
	}
}

// Gaps between periods are not time that was covered.
func TestMergeGaps(t *testing.T) {
	sum, err := handler.Merge(first(t, "a", nil, 0, 9), first(t, "a", nil, 600, 619))
	require.NoError(t, err)
	m := &sum.Modules[0]
	start := m.Start.Truncate(time.Second)
	require.Equal(t, []handler.Interval{
		{Start: start, End: start.Add(10 * time.Second)},
		{Start: start.Add(600 * time.Second), End: start.Add(620 * time.Second)},
	}, m.Counted[0].Spans)
	require.Equal(t, 29*time.Second, m.Length)
	for _, v := range m.Values() {
		if v.Prom == "packets_rates_total" {
			require.EqualValues(t, 30, v.Quantiles.N)
		}
	}
}

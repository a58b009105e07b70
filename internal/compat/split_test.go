package compat_test

import (
	"context"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/pcapfile"
	"visor/decode"
	"visor/handler"
	"visor/handler/bgp"
	"visor/handler/dhcp"
	"visor/handler/dns"
	"visor/handler/metric"
	"visor/handler/network"
	"visor/internal/racetest"
	"visor/internal/sharedtest"
	"visor/sketch/hash64"
)

// analyse returns the answer for a source: all metrics of packets, in one period.
func analyse(t *testing.T, src capture.Source, own decode.NetSet) *handler.Snapshot {
	s := func(name string) handler.Settings {
		return handler.Settings{Name: name, Periods: 1, TopN: 1 << 20, Enable: []string{"all"}}
	}
	net, err := network.New(network.Config{Settings: s("net")})
	require.NoError(t, err)
	names, err := dns.New(dns.Config{Settings: s("dns")})
	require.NoError(t, err)
	both, err := dns.NewTransactions(dns.Config{Settings: s("dns2")})
	require.NoError(t, err)
	leases, err := dhcp.New(dhcp.Config{Settings: s("dhcp")})
	require.NoError(t, err)
	routes, err := bgp.New(bgp.Config{Settings: s("bgp")})
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{
		Sources: []capture.Source{src}, Handlers: []handler.Handler{net, names, both, leases, routes}, Hosts: own,
	})
	require.NoError(t, err)
	_ = p.Run(context.Background()) // a file may be cut: what was read counts
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	return snap
}

// TestSplit splits each capture of the corpus over several pipelines, flow by flow. Their snapshots
// travel and are merged. The sum equals one pipeline that saw everything, except what depends on
// the frames of other flows: silent seconds, timeouts at the end of a part, and wrong times. The
// race detector sees one capture in ten.
func TestSplit(t *testing.T) {
	dir := sharedtest.Dir(t, "corpus")
	own, err := decode.ParseNetSet("10.0.0.0/8, 192.168.0.0/16, 172.16.0.0/12")
	require.NoError(t, err)
	files, split := 0, 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !slices.Contains([]string{".pcap", ".pcapng", ".cap"}, filepath.Ext(path)) {
			return err
		}
		name, err := filepath.Rel(dir, path)
		require.NoError(t, err)
		if files++; racetest.Enabled && files%10 != 0 {
			return nil
		}
		t.Run(name, func(t *testing.T) {
			src, err := pcapfile.Open(path)
			if err != nil {
				t.Skip(err)
			}
			whole := analyse(t, src, own)
			split++
			for _, parts := range []int{1, 2, 7} {
				sum := splitBy(t, path, parts, own)
				for i := range whole.Modules {
					agree(t, &whole.Modules[i], &sum.Modules[i])
					require.Equal(t, whole.Modules[i].Frames, sum.Modules[i].Frames)
				}
			}
		})
		return nil
	})
	require.NoError(t, err)
	require.NotZero(t, split)
}

// splitBy returns the merged snapshots of a capture's parts.
func splitBy(t *testing.T, path string, parts int, own decode.NetSet) *handler.Snapshot {
	src, err := pcapfile.Open(path)
	require.NoError(t, err)
	queues := capture.Fanout(src, capture.FanoutConfig{Queues: parts, Hash: hash64.Fixed()})
	all := make([]*handler.Snapshot, parts)
	var running sync.WaitGroup
	for i, queue := range queues {
		running.Go(func() {
			data, err := analyse(t, queue, own).AppendBinary(nil, handler.Origin{}, handler.DefaultEntries)
			if err == nil {
				all[i], err = handler.ReadSnapshot(data)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	sum, err := handler.Merge(all...)
	require.NoError(t, err)
	return sum
}

// sameTime reports whether the parts of a module are in the time of the whole. Other frames must
// confirm the time of a frame after a gap of an hour, and a part has fewer of them.
func sameTime(whole, sum *handler.Module) bool {
	first, last := whole.Start.Truncate(time.Second), whole.Start.Add(whole.Length+time.Second)
	for _, c := range sum.Counted {
		for _, span := range c.Spans {
			if span.Start.Before(first) || span.End.After(last) || whole.Length > time.Hour {
				return false
			}
		}
	}
	return true
}

func agree(t *testing.T, whole, sum *handler.Module) {
	if !sameTime(whole, sum) {
		return
	}
	got := make(map[string]metric.Value)
	for _, v := range sum.Values() {
		got[strings.Join(v.Path, "/")] = v
	}
	for _, w := range whole.Values() {
		g, ok := got[strings.Join(w.Path, "/")]
		if !ok && w.Int == 0 && w.Total == 0 && w.Quantiles.N == 0 && len(w.Bins) == 0 {
			continue // of a direction with timeouts alone
		}
		switch last := w.Path[len(w.Path)-1]; {
		case strings.Contains(last, "slow"): // compared with other transactions
		case last == "timed_out" || last == "timeout_queries":
			require.LessOrEqual(t, g.Int, w.Int, "%v", w.Path)
		// queries without a reply at the end of a part; version 2.0 counts clients by them, too
		case last == "unanswered" || last == "top_timeouts" || whole.Version == "2.0" && ofClients(w):
			require.LessOrEqual(t, g.Total, w.Total, "%v", w.Path)
			require.LessOrEqual(t, g.Int, w.Int, "%v", w.Path)
		case w.Kind == metric.KindRate:
			require.Equal(t, w.Quantiles.Sum, g.Quantiles.Sum, "%v", w.Path)
			require.Equal(t, w.Quantiles.Max, g.Quantiles.Max, "%v %+v %+v", w.Path, w.Quantiles, g.Quantiles)
		case last == "xact_time_us": // of a group that pktvisor lacks: it travels in coarse bins
			near(t, w, g)
		case w.Distinct: // a full list depends on the order of events
		case w.Kind == metric.KindTop:
			require.Equal(t, w.Total, g.Total, "%v", w.Path)
			found := make(map[string]metric.Item)
			for _, item := range g.Items {
				found[item.Name] = item
			}
			for _, item := range w.Items {
				has := found[item.Name]
				require.LessOrEqual(t, has.Lower, item.Estimate, "%v %s", w.Path, item.Name)
				require.GreaterOrEqual(t, max(has.Estimate, g.Error), item.Lower, "%v %s", w.Path, item.Name)
			}
		default:
			require.Equal(t, w, g, "%v", w.Path)
		}
	}
}

// near checks quantiles that are within 0.8 per cent of the true ones.
func near(t *testing.T, want, got metric.Value) {
	w, g := want.Quantiles, got.Quantiles
	require.Equal(t, []any{w.N, w.Sum, w.Max}, []any{g.N, g.Sum, g.Max}, "%v", want.Path)
	for i, exact := range []float64{w.P50, w.P90, w.P95, w.P99} {
		require.InDelta(t, exact, []float64{g.P50, g.P90, g.P95, g.P99}[i], 1+0.01*exact, "%v", want.Path)
	}
}

// ofClients reports whether a value counts the clients of queries.
func ofClients(v metric.Value) bool {
	last := v.Path[len(v.Path)-1]
	return v.Kind == metric.KindCardinality && strings.HasPrefix(last, "clients") || last == "queries" && strings.HasPrefix(v.Path[len(v.Path)-2], "top_client")
}

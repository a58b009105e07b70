package difftest_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/handler"
	"visor/handler/bgp"
	"visor/handler/dhcp"
	"visor/handler/dns"
	"visor/handler/flow"
	"visor/handler/metric"
	"visor/handler/network"
	"visor/handler/pcap"
)

// handlers returns every analyzer of packets, with all metric groups and one period.
func handlers(t testing.TB) (out []handler.Handler) {
	named := func(name string) handler.Settings {
		return handler.Settings{Name: name, Periods: 1, Enable: []string{"all"}}
	}
	add := func(h handler.Handler, err error) {
		require.NoError(t, err)
		out = append(out, h)
	}
	add(dns.New(dns.Config{Settings: named("dns")}))
	add(dns.NewTransactions(dns.Config{Settings: named("dns2")}))
	add(network.New(network.Config{Settings: named("net")}))
	add(network.NewByDirection(network.Config{Settings: named("net2")}))
	add(dhcp.New(dhcp.Config{Settings: named("dhcp")}))
	add(bgp.New(bgp.Config{Settings: named("bgp")}))
	add(pcap.New(pcap.Config{Settings: named("pcap")}))
	add(flow.New(flow.Config{Settings: named("flow")}))
	return out
}

// count runs sources to their end.
func count(t testing.TB, sources ...capture.Source) *handler.Pipeline {
	return countBy(t, 1, sources...)
}

// countBy is count with several workers for each source.
func countBy(t testing.TB, workers int, sources ...capture.Source) *handler.Pipeline {
	own, err := decode.ParseNetSet("192.168.0.0/16,10.0.0.0/8,192.0.2.0/24,fe80::/10")
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{Sources: sources, Workers: workers, Handlers: handlers(t), Hosts: own})
	require.NoError(t, err)
	require.NoError(t, p.Run(t.Context()))
	return p
}

// answers returns the metrics of each module, in the order of their paths. Subjects of a
// [metric.Map] have the order in which they were first seen, which depends on the workers.
func answers(t testing.TB, p *handler.Pipeline) map[string][]metric.Value {
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	out := make(map[string][]metric.Value)
	for i := range snap.Modules {
		out[snap.Modules[i].Name] = sorted(snap.Modules[i].Values())
	}
	return out
}

// sorted sorts values by their paths. Of lists of distinct sub-keys it drops what depends on the
// order of events by definition, see [sketch.TopDistinct]: weights of sub-keys that two parts
// counted, and samples of the heaviest keys. Unreadable datagrams count for the devices that a
// worker has seen, and a device with several addresses or collectors has several workers.
func sorted(values []metric.Value) []metric.Value {
	values = slices.DeleteFunc(values, func(v metric.Value) bool {
		last := v.Path[len(v.Path)-1]
		return last == "datagrams_malformed" || last == "datagrams_unsupported"
	})
	for i := range values {
		if v := &values[i]; v.Distinct {
			for j := range v.Items {
				v.Items[j].Weight, v.Items[j].Samples = 0, nil
			}
		}
	}
	slices.SortStableFunc(values, func(a, b metric.Value) int { return slices.Compare(a.Path, b.Path) })
	return values
}

// number returns the value of a counter.
func number(t testing.TB, values []metric.Value, path string) uint64 {
	for _, v := range values {
		if strings.Join(v.Path, ".") == path {
			return v.Int
		}
	}
	t.Fatalf("there is no %s", path)
	return 0
}

// requireSame fails with each metric in which two answers differ.
func requireSame(t *testing.T, want, got []metric.Value, what string) {
	t.Helper()
	if reflect.DeepEqual(want, got) {
		return
	}
	require.Equal(t, paths(want), paths(got), what)
	for i := range want {
		if !reflect.DeepEqual(want[i], got[i]) {
			t.Errorf("%s: %v: want %+v, have %+v", what, want[i].Path, want[i], got[i])
		}
	}
}

func paths(values []metric.Value) (out []string) {
	for _, v := range values {
		out = append(out, strings.Join(v.Path, "."))
	}
	return out
}

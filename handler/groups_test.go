package handler_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"visor/handler"
	"visor/handler/metric"
	"visor/sketch"
)

func TestGroupNamesResolve(t *testing.T) {
	names := metric.GroupNames{"counters", "quantiles", "top_ips"}
	const own = 0b100
	for _, tt := range []struct {
		name            string
		enable, disable []string
		want            metric.GroupSet
	}{
		{"defaults", nil, nil, 0b001},
		{"enable one", []string{"top_ips"}, nil, 0b101},
		{"disable is applied first", []string{"counters"}, []string{"all"}, 0b001},
		{"all ends the list", []string{"all", "no such group"}, []string{"counters"}, 0b011},
		{"all lacks visor's own", []string{"all", "top_ips"}, nil, 0b011},
		{"visor's own by name", []string{"top_ips", "all"}, nil, 0b111},
		{"everything", []string{"everything", "no such group"}, nil, 0b111},
		{"disable all", nil, []string{"all"}, 0},
		{"disable everything", nil, []string{"everything"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := names.Resolve(0b001, own, tt.enable, tt.disable)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
	_, err := names.Resolve(0, own, []string{"rates"}, nil)
	require.EqualError(t, err, "unknown metric group \"rates\"; the groups are all, counters, quantiles, everything, top_ips")
}

// Groups that pktvisor lacks are on for users of the library. They are off under PktvisorGroups,
// which policy documents set.
func TestOwnGroups(t *testing.T) {
	type metrics struct {
		Pktvisor sketch.Counter `metric:"pktvisor,theirs" help:"a metric of pktvisor"`
		Own      sketch.Counter `metric:"own,ours" help:"a metric that pktvisor lacks"`
		Ask      sketch.Counter `metric:"ask,rare" help:"a metric of pktvisor that is off"`
	}
	const theirs, ours, rare = 1, 2, 4
	spec := handler.Spec{Type: "mine", Groups: metric.GroupNames{"theirs", "ours", "rare"}, Defaults: theirs, Own: ours}
	for _, tt := range []struct {
		name     string
		settings handler.Settings
		want     metric.GroupSet
	}{
		{"library", handler.Settings{}, theirs | ours},
		{"library, all", handler.Settings{Enable: []string{"all"}}, theirs | ours | rare},
		{"library, only one", handler.Settings{Disable: []string{"all"}, Enable: []string{"rare"}}, rare},
		{"library, without", handler.Settings{Disable: []string{"ours"}}, theirs},
		{"document", handler.Settings{PktvisorGroups: true}, theirs},
		{"document, all", handler.Settings{PktvisorGroups: true, Enable: []string{"all"}}, theirs | rare},
		{"document, named", handler.Settings{PktvisorGroups: true, Enable: []string{"ours"}}, theirs | ours},
		{"document, everything", handler.Settings{PktvisorGroups: true, Enable: []string{"everything"}}, theirs | ours | rare},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := handler.Declare[metrics](spec, tt.settings)
			require.NoError(t, err)
			require.Equal(t, tt.want, d.Info().Groups)
			require.EqualValues(t, ours, d.Info().Own)
		})
	}
}

// sampler returns the sampler of a handler with this rate.
func sampler(t *testing.T, rate int) handler.Sampler {
	d, err := handler.Declare[struct{}](handler.Spec{Type: "net"}, handler.Settings{DeepSample: rate})
	require.NoError(t, err)
	base := d.NewBase()
	return base.Sampler
}

func TestSampler(t *testing.T) {
	for _, rate := range []int{1, 10, 50, 99, 100} {
		s, again := sampler(t, rate), sampler(t, rate)
		yes := 0
		const n = 100_000
		for range n {
			deep := s.Deep()
			if deep != again.Deep() {
				t.Fatal("the sequence is not fixed")
			}
			if deep != s.Last() {
				t.Fatal("Last is not the latest decision")
			}
			if deep {
				yes++
			}
		}
		require.InDelta(t, float64(rate)/100, float64(yes)/n, 0.005, "rate %d", rate)
	}
}

func TestSettings(t *testing.T) {
	type none struct{}
	d, err := handler.Declare[none](handler.Spec{Type: "net"}, handler.Settings{})
	require.NoError(t, err)
	require.Equal(t, handler.Info{Name: "net", Type: "net", Version: "1.0", Schema: "net", Periods: 5, TopN: 10, Metrics: []metric.Field{}}, d.Info())
	d, err = handler.Declare[none](handler.Spec{Type: "net"}, handler.Settings{Periods: 99, DeepSample: -5})
	require.NoError(t, err)
	require.Equal(t, 10, d.Info().Periods)
	base := d.NewBase()
	require.Equal(t, sampler(t, 1), base.Sampler)

	_, err = handler.Declare[none](handler.Spec{Type: "net"}, handler.Settings{TopPercentile: 101})
	require.EqualError(t, err, "handler: TopPercentile 101 is not in 0…100")
}

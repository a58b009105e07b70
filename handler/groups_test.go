package handler_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"visor/handler"
	"visor/handler/metric"
)

func TestGroupNamesResolve(t *testing.T) {
	names := metric.GroupNames{"counters", "quantiles", "top_ips"}
	for _, tt := range []struct {
		name            string
		enable, disable []string
		want            metric.GroupSet
	}{
		{"defaults", nil, nil, 0b001},
		{"enable one", []string{"top_ips"}, nil, 0b101},
		{"disable is applied first", []string{"counters"}, []string{"all"}, 0b001},
		{"all ends the list", []string{"all", "no such group"}, []string{"counters"}, 0b111},
		{"disable all", nil, []string{"all"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := names.Resolve(0b001, tt.enable, tt.disable)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
	_, err := names.Resolve(0, []string{"rates"}, nil)
	require.EqualError(t, err, "unknown metric group \"rates\"; the groups are all, counters, quantiles, top_ips")
}

func TestSampler(t *testing.T) {
	for _, rate := range []int{1, 10, 50, 99, 100} {
		s, again := handler.NewSampler(rate), handler.NewSampler(rate)
		yes := 0
		const n = 100_000
		for range n {
			deep := s.Deep()
			require.Equal(t, deep, again.Deep(), "the sequence is fixed")
			require.Equal(t, deep, s.Last())
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
	require.Equal(t, handler.NewSampler(1), base.Sampler)

	_, err = handler.Declare[none](handler.Spec{Type: "net"}, handler.Settings{TopPercentile: 101})
	require.EqualError(t, err, "handler: TopPercentile 101 is not in 0…100")
}

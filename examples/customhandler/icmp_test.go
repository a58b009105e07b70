package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/handler"
	"visor/handler/handlertest"
	"visor/handler/metric"
)

func TestConformance(t *testing.T) {
	handlertest.Run(t, func(s handler.Settings) (handler.Handler, error) { return New(Config{Settings: s}) })
}

func TestICMP(t *testing.T) {
	for onlyErrors, want := range map[bool][]metric.Item{
		false: {{Name: "echo request", Estimate: 50, Lower: 50}, {Name: unreachable, Estimate: 5, Lower: 5}},
		true:  {{Name: unreachable, Estimate: 5, Lower: 5}},
	} {
		h, err := New(Config{OnlyErrors: onlyErrors})
		require.NoError(t, err)
		p, err := handler.NewPipeline(handler.Config{
			Sources:  []capture.Source{pings(PingsConfig{Count: 50})},
			Handlers: []handler.Handler{h},
		})
		require.NoError(t, err)
		require.NoError(t, p.Run(context.Background()))
		snap, err := p.Bucket(0)
		require.NoError(t, err)
		m := handler.Find[Metrics](snap)
		require.Equal(t, want, m.Types.Items(10))
		require.Equal(t, []metric.Item{{Name: "192.0.2.9", Estimate: 5, Lower: 5}}, m.Lost.Items(10))
	}
}

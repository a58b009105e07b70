package network_test

import (
	"testing"

	"visor/handler"
	"visor/handler/handlertest"
	"visor/handler/network"
)

func TestConformance(t *testing.T) {
	handlertest.Run(t, func(s handler.Settings) (handler.Handler, error) { return network.New(network.Config{Settings: s}) })
}

func TestDirectionConformance(t *testing.T) {
	handlertest.Run(t, func(s handler.Settings) (handler.Handler, error) {
		return network.NewByDirection(network.Config{Settings: s})
	})
}

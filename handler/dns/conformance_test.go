package dns_test

import (
	"testing"

	"visor/handler"
	"visor/handler/dns"
	"visor/handler/handlertest"
)

func TestConformance(t *testing.T) {
	handlertest.Run(t, func(s handler.Settings) (handler.Handler, error) { return dns.New(dns.Config{Settings: s}) })
}

func TestConformanceV2(t *testing.T) {
	handlertest.Run(t, func(s handler.Settings) (handler.Handler, error) { return dns.NewV2(dns.Config{Settings: s}) })
}

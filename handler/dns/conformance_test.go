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

func TestTransactionConformance(t *testing.T) {
	handlertest.Run(t, func(s handler.Settings) (handler.Handler, error) { return dns.NewTransactions(dns.Config{Settings: s}) })
}

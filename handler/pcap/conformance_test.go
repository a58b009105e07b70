package pcap_test

import (
	"testing"

	"visor/handler"
	"visor/handler/pcap"
	"visor/handler/handlertest"
)

func TestConformance(t *testing.T) {
	handlertest.Run(t, func(s handler.Settings) (handler.Handler, error) { return pcap.New(pcap.Config{Settings: s}) })
}

package pcap_test

import (
	"testing"

	"visor/handler"
	"visor/handler/handlertest"
	"visor/handler/pcap"
)

func TestConformance(t *testing.T) {
	handlertest.Run(t, func(s handler.Settings) (handler.Handler, error) { return pcap.New(pcap.Config{Settings: s}) })
}

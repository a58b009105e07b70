package dhcpmsg_test

import (
	"testing"

	"visor/decode/dhcpmsg"
	"visor/internal/packettest"
)

func BenchmarkParseV4(b *testing.B) {
	payload := packettest.DHCP(dhcpmsg.Request, 7, "192.0.2.7", dhcpmsg.OptionHostName, "printer")
	b.ReportAllocs()
	for b.Loop() {
		m, err := dhcpmsg.ParseV4(payload)
		if err != nil {
			b.Fatal(err)
		}
		if _, ok := m.Option(dhcpmsg.OptionHostName); !ok {
			b.Fatal("no name")
		}
	}
}

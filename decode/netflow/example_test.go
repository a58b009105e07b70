package netflow_test

import (
	"fmt"
	"net/netip"

	"visor/decode"
	"visor/decode/netflow"
	"visor/internal/packettest"
)

func Example() {
	datagram := packettest.NetFlow5(0, 100, decode.Flow{
		Src: netip.MustParseAddr("198.51.100.1"), Dst: netip.MustParseAddr("203.0.113.1"),
		SrcPort: 53, DstPort: 4000, Proto: 17, Bytes: 1500, Packets: 3,
	})

	session := decode.FlowSession{From: netip.MustParseAddrPort("192.0.2.254:5000"), To: netip.MustParseAddrPort("192.0.2.1:2055")}
	d := netflow.New(netflow.Config{})
	var e decode.FlowDatagram
	d.Decode(0, session, datagram, &e)
	for _, f := range e.Flows {
		fmt.Println(f.Src, "to", f.Dst, f.Bytes, "bytes, one packet in", f.Sampling)
	}
	// Output: 198.51.100.1 to 203.0.113.1 1500 bytes, one packet in 100
}

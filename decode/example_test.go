package decode_test

import (
	"fmt"

	"visor/decode"
	"visor/internal/trafficgen"
)

func Example() {
	frames, _ := trafficgen.Frames(trafficgen.VariedDNS(1))
	dec := decode.NewDecoder(decode.Config{})
	p := decode.Packet{Frame: frames[0].Data, WireLen: frames[0].WireLen, Link: frames[0].Link}
	if err := dec.Decode(&p); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Layers.Has(decode.LayerUDP), p.Dst.Port(), len(p.Payload), "bytes of DNS")
	// Output: true 53 51 bytes of DNS
}

func ExampleNetSet() {
	own, err := decode.ParseNetSet("192.0.2.0/24, 2001:db8::/32")
	if err != nil {
		fmt.Println(err)
		return
	}
	p := decode.Packet{Frame: []byte("E\x00\x00\x14\x00\x00\x00\x00@\x11\x00\x00\xC0\x00\x02\x01\xC6\x33\x64\x02"), Link: decode.LinkRaw}
	if err := decode.NewDecoder(decode.Config{}).Decode(&p); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(own.Direction(p.Src.Addr(), p.Dst.Addr()) == decode.FromHost)
	// Output: true
}

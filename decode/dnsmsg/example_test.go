package dnsmsg_test

import (
	"fmt"

	"visor/decode/dnsmsg"
)

func Example() {
	msg, err := dnsmsg.Parse(response())
	if err != nil {
		fmt.Println(err)
		return
	}
	name, q, _ := msg.AppendQuestion(nil)
	fmt.Printf("%s %s: %s\n", name, q.Type, msg.RCode())
	rr := msg.Records()
	for rr.Next() {
		if addr, ok := rr.Addr(); ok {
			name, _ = rr.AppendName(name[:0])
			fmt.Println(string(name), addr)
		}
	}
	// Output:
	// www.example.com A: NOERROR
	// web.example.com 192.0.2.1
	// web.example.com 2001:db8::1
}

func ExampleMessage_AppendCanonical() {
	msg := dnsmsg.Message(query(wireName("WWW.Shop.Example.COM")))
	out, q, _ := msg.AppendCanonical(nil)
	name := dnsmsg.NameFromWire(out)
	two, three := q.Cut(name)
	fmt.Println(name, two, three)
	// Output: www.shop.example.com .example.com .shop.example.com
}

func ExampleMessage_ClientSubnet() {
	ecs, ok := dnsmsg.Message(response()).ClientSubnet()
	fmt.Println(ok, ecs.Addr, ecs.Source)
	// Output: true 198.51.100.0 24
}

func ExampleFramer() {
	tcp := stream("one.example", "two.example")
	var f dnsmsg.Framer
	for _, segment := range [][]byte{tcp[:40], tcp[40:]} {
		f.Feed(segment)
		for f.Next() {
			name, _, _ := f.Message().AppendQuestion(nil)
			fmt.Println(string(name))
		}
	}
	// Output:
	// one.example
	// two.example
}

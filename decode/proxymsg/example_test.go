package proxymsg_test

import (
	"fmt"

	"visor/decode/proxymsg"
)

func Example() {
	payload := []byte("PROXY TCP4 192.0.2.7 198.51.100.1 40000 53\r\nthe client's data")
	h, err := proxymsg.Parse(payload)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s sent %q\n", h.Src, payload[h.Len:])
	// Output: 192.0.2.7:40000 sent "the client's data"
}

package filter_test

import (
	"fmt"

	"visor/capture/filter"
	"visor/decode"
)

func ExampleCompile() {
	program, err := filter.Compile("udp dst port 53", decode.LinkRaw)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(program)
	// Output:
	// (000) ldb      [0]
	// (001) and      #240
	// (002) jeq      #0x60            jt 3	jf 7
	// (003) ldb      [6]
	// (004) jeq      #0x11            jt 5	jf 16
	// (005) ldh      [42]
	// (006) jeq      #0x35            jt 15	jf 16
	// (007) jeq      #0x40            jt 8	jf 16
	// (008) ldb      [9]
	// (009) jeq      #0x11            jt 10	jf 16
	// (010) ldh      [6]
	// (011) jset     #0x1fff          jt 16	jf 12
	// (012) ldx      4*([0]&0xf)
	// (013) ldh      [x + 2]
	// (014) jeq      #0x35            jt 15	jf 16
	// (015) ret      #262144
	// (016) ret      #0
}

func ExampleError() {
	_, err := filter.Compile("udp prot 53", decode.LinkEthernet)
	fmt.Println(err)
	// Output:
	// filter "udp prot 53", column 5: expected 'and', 'or' or the end, found 'prot'
}

package trafficgen_test

import (
	"fmt"

	"visor/internal/trafficgen"
)

func ExampleFrames() {
	frames, truth := trafficgen.Frames(trafficgen.VariedDNS(1000))
	fmt.Println(len(frames), truth.DNSQueries, truth.DNSResponses, truth.RCodes[3])
	// Output: 1000 568 432 58
}

func ExampleGen_Next() {
	g := trafficgen.New(trafficgen.Mixed(3))
	buf := make([]byte, trafficgen.MaxFrame)
	for {
		frame, ts, ok := g.Next(buf)
		if !ok {
			break
		}
		fmt.Println(ts, len(frame))
	}
	// Output:
	// 1767225600000000000 102
	// 1767225600000082694 60
	// 1767225600000162694 60
}

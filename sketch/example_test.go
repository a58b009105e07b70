package sketch_test

import (
	"cmp"
	"fmt"

	"visor/sketch"
	"visor/sketch/hash64"
)

func ExampleTopK() {
	var top sketch.TopK[[4]byte]
	for _, addr := range [][4]byte{{192, 0, 2, 1}, {192, 0, 2, 2}, {192, 0, 2, 1}} {
		top.Add(hash64.Fixed().IPv4(addr), addr, 1)
	}
	for _, e := range top.Top(10, func(a, b [4]byte) int { return cmp.Compare(string(a[:]), string(b[:])) }) {
		fmt.Println(e.Key, e.Lower, e.Upper)
	}
	// Output:
	// [192 0 2 1] 2 2
	// [192 0 2 2] 1 1
}

func ExampleTopNames() {
	var here, there sketch.TopNames // for example on two hosts
	for _, name := range []string{"a.example", "b.example", "b.example"} {
		here.Add(hash64.Fixed().Sum([]byte(name)), []byte(name), 1)
		there.Add(hash64.Fixed().Sum([]byte(name)), []byte(name), 10)
	}
	sent, _ := there.MarshalBinary()
	var received sketch.TopNames
	if err := received.UnmarshalBinary(sent); err != nil {
		fmt.Println(err)
		return
	}
	here.Merge(&received)
	for _, e := range here.Top(10) {
		fmt.Println(string(e.Key), e.Upper)
	}
	// Output:
	// b.example 22
	// a.example 11
}

func ExampleTopCounts() {
	var ports sketch.TopCounts[uint16]
	ports.Add(53, 2)
	ports.Add(443, 7)
	for _, e := range ports.Top(1) {
		fmt.Println(e.Key, e.Upper)
	}
	// Output: 443 7
}

func ExampleHistogram() {
	var h sketch.Histogram
	for _, us := range []uint64{90, 95, 500} {
		h.Add(us)
	}
	for bin := range h.Bins() {
		fmt.Println(bin.Label, bin.Cumulative)
	}
	// Output:
	// 100 2
	// 527 3
}

// A sender asks a zone for made-up names.
func ExampleTopDistinct() {
	h := hash64.Fixed()
	var zones sketch.TopDistinct
	ask := func(name, zone string) {
		zones.Add(h.Sum([]byte(zone)), []byte(zone), h.Sum([]byte(name)), []byte(name), 1)
	}
	for i := range 1000 {
		ask("www.example.net", "example.net")
		ask(fmt.Sprintf("%x.example.com", i*i), "example.com")
	}
	for _, zone := range zones.Top(2) {
		fmt.Printf("%s %v %v\n", zone.Key, zone.Count > 900, len(zone.Samples))
	}
	// Output:
	// example.com true 8
	// example.net false 1
}

package suffix_test

import (
	"fmt"

	"visor/decode/dnsmsg"
	"visor/decode/dnsmsg/suffix"
)

func ExampleLen() {
	name := []byte("a.b.example.co.uk")
	two, three := dnsmsg.Aggregate(name, suffix.Len(name))
	fmt.Printf("%s %s\n", two, three)
	// Output: .example.co.uk .b.example.co.uk
}

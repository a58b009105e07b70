package hash64_test

import (
	"fmt"

	"visor/sketch/hash64"
)

func Example() {
	key := hash64.Key([]byte("sixteen bytes !!")) // of all hosts whose sketches merge
	one, other := hash64.New(key), hash64.New(key)
	fmt.Println(one.Sum([]byte("example.com")) == other.Sum([]byte("example.com")))
	fmt.Println(one.ID() == other.ID(), one.ID() == hash64.Random().ID())
	// Output:
	// true
	// true false
}

package flowtable_test

import (
	"fmt"
	"time"

	"visor/internal/flowtable"
	"visor/sketch/hash64"
)

func Example() {
	type query struct{ bytes int }
	t := flowtable.New[query](flowtable.Config{Capacity: 1 << 16, TTL: 5 * time.Second})

	h := hash64.Fixed().Sum([]byte("10.0.0.1:1234 10.0.0.2:53 id 7"))
	*t.Put(h, 1_000_000) = query{bytes: 31}
	*t.Put(hash64.Mix(1), 2_000_000) = query{bytes: 40} // never answered

	if q, sentNS, ok := t.Take(h); ok {
		fmt.Println("answered after", 1_250_000-sentNS, "ns,", q.bytes, "bytes asked")
	}
	t.OnLoss(func(q *query, why flowtable.Loss) {
		fmt.Println("timed out:", why == flowtable.Expired, q.bytes, "bytes asked")
	})
	t.Expire(7e9)
	// Output:
	// answered after 250000 ns, 31 bytes asked
	// timed out: true 40 bytes asked
}

// Package sketch summarises streams in bounded memory, whatever the stream contains:
//
//	var clients sketch.Cardinality // how many different ones
//	var names sketch.TopNames      // the most frequent, and how often
//	var times sketch.Quantile      // the median, the slowest hundredth
//	var zones sketch.TopDistinct   // those with the most different names
//	...
//	h := hasher.Sum(name) // once per key: every sketch takes the hash
//	clients.Add(hasher.IPv4(client))
//	names.Add(h, name, 1)
//	times.Add(microseconds)
//	zones.Add(hasher.Sum(zone), zone, h, name, 1)
//	...
//	fmt.Println(clients.Estimate(), names.Top(10), times.Quantile(0.99))
//
// All sketches are exact while the stream is small; their comments state the limit. Beyond it,
// errors have bounds, which the comments state and tests check against exact data.
//
// All sketches can be merged: workers, minutes, a fleet of hosts. Merging loses no accuracy except
// in lists, whose errors add up. All can be reset for reuse and can be marshaled. UnmarshalBinary
// validates its input, so data from an untrusted peer cannot crash or exhaust the reader.
//
// Other programs can read them too: [Cardinality.HLL] and [Cardinality.MarshalBinary] serve
// segmentio/go-hll and PostgreSQL's extension hll; [Quantile.TDigest] and [AppendTDigest] serve
// influxdata/tdigest and PostgreSQL's extension tdigest.
//
// Adding takes one to ten nanoseconds and allocates nothing once a sketch has its memory. Sketches
// are plain values without locks, each owned by one goroutine. The zero value of each is ready to
// use.
package sketch

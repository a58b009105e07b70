// Package sketch summarises streams in memory that is bounded, whatever the stream is like:
//
//	var clients sketch.Cardinality // how many different ones
//	var names sketch.TopNames      // the most frequent, and how often
//	var times sketch.Quantile      // the median, the slowest hundredth
//	...
//	h := hasher.Sum(name) // once per key: every sketch takes the hash
//	clients.Add(hasher.IPv4(client))
//	names.Add(h, name, 1)
//	times.Add(microseconds)
//	...
//	fmt.Println(clients.Estimate(), names.Top(10), times.Quantile(0.99))
//
// All sketches are exact while the stream is small, and say up to where. Beyond, their errors have bounds, which their comments
// give and their tests hold against exact data. All can be merged (two workers, a row of minutes, a fleet of hosts) without
// losing accuracy but for the lists, whose errors add up; all can be emptied for reuse, and go into bytes and back. Reading bytes checks
// them: those of a stranger can be wrong, but not harm.
//
// Other programs read them too: [Cardinality.HLL] and [Cardinality.MarshalBinary] serve
// segmentio/go-hll and PostgreSQL's extension hll, [Quantile.TDigest] and [AppendTDigest] serve
// influxdata/tdigest and PostgreSQL's extension tdigest.
//
// Adding takes one to ten nanoseconds and allocates nothing once a sketch has its memory. Sketches are plain values without locks, each
// owned by one goroutine; the zero value of each is ready to use.
package sketch

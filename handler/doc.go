// Package handler turns captured frames into answers. A host program makes a [Pipeline] of sources
// and handlers, runs it, and asks it questions while it runs or when it is done:
//
//	queries, err := dns.New(dns.Config{})
//	...
//	p, err := handler.NewPipeline(handler.Config{
//		Sources:  []capture.Source{file},
//		Handlers: []handler.Handler{queries},
//	})
//	...
//	err = p.Run(ctx)
//	snap, err := p.Bucket(0)
//
// Each source is a queue with a worker of its own. A worker decodes a batch of frames once, finds
// the DNS and BGP messages in it (also those in TCP streams, IP fragments and tunnels), the exports
// of flows if a handler asks for them, and shows the batch to its [Shard] of every [Handler].
// Shards share nothing; a query merges their buckets into a [Snapshot].
//
// Handlers may come and go while a pipeline runs ([Pipeline.Attach]).
//
// A handler declares each metric once, by a struct tag beside the field that counts
// ([metric.Schema]), also what it counts for each of several subjects ([metric.Map]). Merging,
// resetting and all output formats follow from the declaration.
package handler

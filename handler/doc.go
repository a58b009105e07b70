// Package handler analyzes captured frames and aggregates metrics. A host program makes a
// [Pipeline] of sources and handlers, runs it, and queries it during the run or afterwards:
//
//	queries, err := dns.New(dns.Config{})
//	...
//	p, err := handler.NewPipeline(handler.Config{
//		Sources:  []capture.Source{file},
//		Handlers: []handler.Handler{queries},
//	})
//	...
//	err = p.Run(ctx)
//	snap, err := p.Window(5) // the live period, and the last four closed ones
//
// Each source is a queue with its own worker. A worker decodes a batch of frames once. It extracts
// DNS and BGP messages, also from TCP streams, IP fragments and tunnels. It decodes flow exports if
// a handler asks for them. Then it passes the batch to its [Shard] of every [Handler]. Shards share
// nothing; a query merges their buckets into a [Snapshot].
//
// Handlers can be attached and detached while a pipeline runs ([Pipeline.Attach]).
//
// Snapshots travel and add up: [Snapshot.AppendBinary], [ReadSnapshot] and [Merge] serve programs
// that combine hosts, minutes and versions.
//
// A handler declares each metric once, by a struct tag beside the field that counts
// ([metric.Schema]). Metrics per subject use a [metric.Map]. Merging, resetting and all output
// formats follow from the declaration.
//
// # Write a handler
//
// A handler of your own embeds [Declared], and its shard embeds a [Base]. [Declare] makes the first
// from a [Spec], and NewBase the second. Process counts the events of a [Batch]: the outcome of
// each in Base.Events ([Events]), and the metrics in Base.Live. The example of [Declare] is
// complete, and examples/customhandler adds options and a type for policies. Test it with
// handlertest.Run.
package handler

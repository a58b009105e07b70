// Package capture defines sources of frames. A [Source] fills a reusable [Batch] with frames. Its
// owner reads batches until an error, which is io.EOF at the end of a recording:
//
//	var b capture.Batch
//	for {
//		if err := src.ReadBatch(&b); err != nil {
//			return err
//		}
//		for i := range b.Frames {
//			analyse(&b.Frames[i])
//		}
//	}
//
// [Merge] combines several recordings into one source, in order of time. [Fanout] spreads one
// source over several workers, so that both directions of a conversation reach the same worker.
// [Memory] is a source of frames that are already in memory. The packages below this one read
// files, network interfaces, sockets and the sources of other libraries.
//
// A batch costs one call. Its frames are slices of the source's memory, so nothing is copied, and
// nothing is allocated once the buffers have grown. Sources do not decode frames, and they validate
// every length that they read.
//
// # Write a source
//
// A source has two methods, ReadBatch and Close. ReadBatch resets the batch, waits for at least one
// frame, and appends up to [BatchSize] frames that borrow the source's memory until the next call.
// Close may be called from another goroutine and ends a waiting ReadBatch. The example of [Source]
// is complete.
//
// Optional abilities are additional methods: [LiveSource] for live capture, [DropCounter] for
// losses, [Reasoner] for input that was left out. Test a source with sourcetest.Run. To use it in
// policies, declare its options with policy.DeclareInput.
package capture

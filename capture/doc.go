// Package capture is where frames come from. A [Source] fills one reusable [Batch] after the other;
// its owner reads until an error, which is io.EOF at the end of a recording:
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
// [Merge] makes one source of several recordings, in the order of time. [Fanout] spreads one source
// over several workers, so that both directions of a conversation reach the same worker. [Memory]
// is a source of frames that are already in memory. Files, rings and other packages' sources are in
// the folders below.
//
// A batch costs one call, its frames are slices into the source's own memory, and nothing is
// allocated once buffers have their size. Nothing is decoded here: bytes are passed on as they are,
// and a source trusts no length that it reads.
package capture

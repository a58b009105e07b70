package handler

import "visor/handler/metric"

// bucket is one period of one shard.
type bucket[M any] struct {
	*metric.Set[M]
	stretch stretch // period of the bucket
	frames  uint64  // frames seen
}

func newBucket[M any](schema *metric.Schema[M]) *bucket[M] { return &bucket[M]{Set: schema.New()} }

// Reset empties b and keeps its memory.
func (b *bucket[M]) Reset() {
	b.Set.Reset()
	b.stretch, b.frames = stretch{}, 0
}

// Merge adds src to b and leaves src unchanged.
func (b *bucket[M]) Merge(src *bucket[M]) {
	b.Set.Merge(src.Set)
	b.frames += src.frames
}

// mergeKeys merges a bucket whose keys may have been hashed under another key.
func (b *bucket[M]) mergeKeys(src *bucket[M]) {
	b.Set.MergeKeys(src.Set)
	b.frames += src.frames
}

// copyFrom makes b equal to src and reuses b's memory.
func (b *bucket[M]) copyFrom(src *bucket[M]) {
	b.Set.CopyFrom(src.Set)
	b.stretch, b.frames = src.stretch, src.frames
}

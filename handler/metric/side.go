package metric

import "visor/sketch"

// TopSide is one scale of a list that weighs its keys on two, as a metric: of conversations by
// bytes and by packets, each scale is a metric of its own. The struct of metrics has the list
// beside its metrics, and a method Bind that calls Show for each TopSide.
type TopSide struct {
	list  *sketch.TopPairs
	scale int
	item  func(key []byte) Item
}

// Show makes t show a scale of list, 0 or 1. item makes an Item without counts of a key.
func (t *TopSide) Show(list *sketch.TopPairs, scale int, item func(key []byte) Item) {
	*t = TopSide{list, scale, item}
}

// Items returns the n entries that weigh most.
func (t *TopSide) Items(n int) []Item {
	if t.list == nil {
		return nil
	}
	return items(t.list.Top(n, t.scale), t.item)
}

// Total returns the sum of all that was added.
func (t *TopSide) Total() uint64 {
	if t.list == nil {
		return 0
	}
	return t.list.Total()[t.scale]
}

// Refused is that of [sketch.TopPairs.Refused] on the second scale, for which the list counts once.
func (t *TopSide) Refused() uint64 {
	if t.scale == 0 {
		return 0
	}
	return t.list.Refused()[t.scale]
}

// Size returns the memory that the list has, in bytes, once for both scales.
func (t *TopSide) Size() int {
	if t.scale > 0 {
		return 0
	}
	return t.list.Size()
}

// The list is merged, copied and emptied with its first scale.

// Reset empties the list.
func (t *TopSide) Reset() {
	if t.scale == 0 {
		t.list.Reset()
	}
}

func (t *TopSide) mergeFrom(src state) {
	if t.scale == 0 {
		t.list.Merge(src.(*TopSide).list)
	}
}

func (t *TopSide) mergeKeys(src state) {
	if t.scale == 0 {
		t.list.MergeKeys(src.(*TopSide).list)
	}
}

func (t *TopSide) copyFrom(src state) {
	if t.scale == 0 {
		t.list.CopyFrom(src.(*TopSide).list)
	}
}

func (t *TopSide) render(v *Value, r Rendering) { renderTop(v, r, t.Total(), t.Items(r.TopN)) }

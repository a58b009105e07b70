package metric

import "visor/sketch"

// TopSide is one scale of a list with two weights per key, as a metric. For example, conversations
// by bytes and by packets are two metrics of one list. The struct of metrics holds the list beside
// its metrics. Its method Bind calls Show for each TopSide.
type TopSide struct {
	list  *sketch.TopPairs
	scale int
	item  func(key []byte) Item
}

// Show makes t show scale 0 or 1 of list. The function item makes an Item of a key, without counts.
func (t *TopSide) Show(list *sketch.TopPairs, scale int, item func(key []byte) Item) {
	*t = TopSide{list, scale, item}
}

// Items returns the n entries with the highest weights.
func (t *TopSide) Items(n int) []Item {
	if t.list == nil {
		return nil
	}
	return items(t.list.Top(n, t.scale), t.item)
}

// Total returns the sum of all added weights.
func (t *TopSide) Total() uint64 {
	if t.list == nil {
		return 0
	}
	return t.list.Total()[t.scale]
}

// Error returns the most by which a weight may exceed the true one.
func (t *TopSide) Error() uint64 {
	if t.list == nil {
		return 0
	}
	return t.list.Error()[t.scale]
}

// Refused returns [sketch.TopPairs.Refused] on the second scale only, so that the list counts once.
func (t *TopSide) Refused() uint64 {
	if t.scale == 0 {
		return 0
	}
	return t.list.Refused()[t.scale]
}

// Size returns the memory of the list in bytes, once for both scales.
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

func (t *TopSide) render(v *Value, r Rendering) {
	renderTop(v, r, t.Total(), t.Error(), t.Items(r.TopN))
}

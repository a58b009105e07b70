package metric

import "visor/sketch"

// TopSide is one scale of a list with several weights per key, as a metric. For example,
// conversations by bytes and by packets are two metrics of one list. The struct of metrics holds
// the list beside its metrics. Its method Bind calls Show or ShowColumn for each TopSide.
type TopSide struct {
	list  scaled
	scale int
	item  func(key []byte) Item
}

// scaled is a list with several weights per key.
type scaled interface {
	Top(n, scale int) []sketch.Entry[[]byte]
	Head(n, scale int) sketch.Head[[]byte]
	SetHead(h sketch.Head[[]byte], scale int, hash func([]byte) uint64)
	Reset()
	Size() int

	sums(scale int) (total, most uint64)
	refused() uint64
	merge(src scaled)
	mergeKeys(src scaled)
	copyFrom(src scaled)
}

// Show makes t show scale 0 or 1 of list. The function item makes an Item of a key, without counts.
func (t *TopSide) Show(list *sketch.TopPairs, scale int, item func(key []byte) Item) {
	*t = TopSide{pairs{list}, scale, item}
}

// ShowColumn makes t show a column of list, like Show. Another TopSide must show column 0.
func (t *TopSide) ShowColumn(list *sketch.TopColumns, column int, item func(key []byte) Item) {
	*t = TopSide{columns{list}, column, item}
}

type pairs struct{ *sketch.TopPairs }

func (p pairs) sums(scale int) (total, most uint64) { return p.Total()[scale], p.Error()[scale] }
func (p pairs) refused() uint64                     { return p.Refused()[1] }
func (p pairs) merge(src scaled)                    { p.Merge(src.(pairs).TopPairs) }
func (p pairs) mergeKeys(src scaled)                { p.MergeKeys(src.(pairs).TopPairs) }
func (p pairs) copyFrom(src scaled)                 { p.CopyFrom(src.(pairs).TopPairs) }

type columns struct{ *sketch.TopColumns }

func (c columns) sums(column int) (total, most uint64) { return c.Total(column), c.Error(column) }
func (c columns) refused() uint64                      { return c.Refused() }
func (c columns) merge(src scaled)                     { c.Merge(src.(columns).TopColumns) }
func (c columns) mergeKeys(src scaled)                 { c.MergeKeys(src.(columns).TopColumns) }
func (c columns) copyFrom(src scaled)                  { c.CopyFrom(src.(columns).TopColumns) }

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
	total, _ := t.list.sums(t.scale)
	return total
}

// Error returns the most by which a weight may exceed the true one.
func (t *TopSide) Error() uint64 {
	if t.list == nil {
		return 0
	}
	_, most := t.list.sums(t.scale)
	return most
}

// Refused returns the number of refused keys or weights on the first scale only, so that the list
// counts once; see [sketch.TopPairs.Refused].
func (t *TopSide) Refused() uint64 {
	if t.scale > 0 {
		return 0
	}
	return t.list.refused()
}

// Size returns the memory of the list in bytes, once for all scales.
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
		t.list.merge(src.(*TopSide).list)
	}
}

func (t *TopSide) mergeKeys(src state) {
	if t.scale == 0 {
		t.list.mergeKeys(src.(*TopSide).list)
	}
}

func (t *TopSide) copyFrom(src state) {
	if t.scale == 0 {
		t.list.copyFrom(src.(*TopSide).list)
	}
}

func (t *TopSide) render(v *Value, r Rendering) {
	renderTop(v, r, t.Total(), t.Error(), t.Items(r.TopN))
}

package metric

import (
	"math"

	"visor/sketch"
)

// Kind is a kind of metric.
type Kind uint8

// The kinds of metric.
const (
	KindCounter Kind = iota
	KindCardinality
	KindTop
	KindQuantile
	KindRate
	KindHistogram
	KindGauge   // a number like a counter, but values of periods are not added
	KindUnknown // read from bytes of a newer version; it has no value
)

// Field is a declared metric.
type Field struct {
	Path     []string // JSON path below the schema key, or below the subject
	Prom     string   // Prometheus family name
	Help     string   // one line of help
	Label    string   // item label of a KindTop, or label of a Map's subjects
	Kind     Kind
	Float    bool     // quantiles are fractions, not integers
	Sparse   bool     // it is left out while it is 0
	Groups   GroupSet // groups that must all be enabled
	Total    Total    // its totals since the start; of a [Map], Name is the label of the subjects
	Subjects []Field  // of a [Map]: the metrics of each subject, whose name follows Path
}

// Value is one metric of an answer, in a form for any output format.
type Value struct {
	Path       []string // JSON path below the schema key
	SubjectLen int      // leading elements of Path that name the subject; 0 outside a [Map]
	Labels     []Label  // Prometheus labels that name the subject of a [Map]
	Prom       string   // Prometheus family name
	Help       string   // one line of help
	Label      string   // item label of a KindTop
	Kind       Kind
	Float      bool // quantiles are fractions, not integers

	Int   uint64 // KindCounter, KindCardinality, KindGauge
	Items []Item // KindTop
	// KindTop: the counts of all entries, including those missing in Items
	Total uint64
	// KindTop: the most by which an Estimate may exceed the true count. It is also the greatest
	// possible count of an entry that is missing in the list. 0 for an exact list.
	Error uint64
	// KindTop: estimates are numbers of distinct names, with a standard error of up to 6.5 per
	// cent. Where lists were cut on their way, they may be low by up to Error, instead of high.
	Distinct bool
	// KindQuantile: the most by which the values may differ from the true ones, as a share of
	// these: 0 for an exact distribution, 1/512, or 1/128 after a journey with less detail.
	Within    float64
	Quantiles Quantiles // KindQuantile, KindRate; of Sizes and Lengths, bounds of bins
	Bins      []Bin     // KindHistogram: cumulative bins without empty ones
	Buckets   []Bin     // KindHistogram: cumulative bins with the same bounds in every answer
	// KindCardinality: a *sketch.Cardinality; KindQuantile: a *sketch.Quantile; otherwise nil. It
	// belongs to the answer: do not modify it. It is set only if the Rendering requests it.
	Sketch any
}

// Label is a Prometheus label.
type Label struct{ Name, Value string }

// Item is an entry of a top list. Its JSON has pktvisor's keys, in their order.
type Item struct {
	// upper bound of the count or weight; exact until the list's table overflows
	Estimate uint64 `json:"estimate"`
	Lat      string `json:"lat,omitempty"` // degrees, for places only; empty if unknown
	Lon      string `json:"lon,omitempty"`
	Name     string `json:"name"`
	Lower    uint64 `json:"-"` // lower bound
	// of a TopDistinctNames: the bytes of the distinct names, and some of them
	Weight  uint64   `json:"-"`
	Samples []string `json:"-"`
}

// Quantiles summarizes a distribution. Without samples N and the rest are 0. A rate has
// a sample for each second, including seconds without events.
type Quantiles struct {
	N                       uint64 // samples; for a rate, seconds
	P50, P90, P95, P99, Max float64
	Sum                     float64 // sum of all samples; for a rate, events
	Live                    uint64  // for a rate in a live bucket: events in the last full second
	HasLive                 bool
}

// Bin is a histogram bin: Count events have values of at most Le.
type Bin struct {
	Le    string // upper bound, in the metric's unit
	Count uint64 // cumulative
}

// Rendering holds the settings for values in addition to their metrics.
type Rendering struct {
	TopN       int    // entries of a list
	Percentile int    // lists end at the first estimate below this percentile; 0 shows all
	Seconds    uint64 // time covered by the rates
	Running    int64  // unfinished second since 1970; math.MaxInt64 if all are finished
	LiveSecond int64  // last full second of a live period; 0 in other answers
	Mixed      bool   // keys were hashed under several keys, so cardinalities are left out
	Sketches   bool   // values have their sketches
}

// state is implemented by every field with a metric tag.
type state interface {
	Reset()
	mergeFrom(src state)
	copyFrom(src state)
}

// hashed is a state that depends on hashes.
type hashed interface {
	// mergeKeys is mergeFrom for a state whose hashes may use another key. It empties a state
	// without keys to compare.
	mergeKeys(src state)
}

// metric is the state of one metric.
type metric interface {
	state
	render(v *Value, r Rendering)
}

// stateOf returns the state behind a pointer to a field, or nil if the field is not a metric.
func stateOf(p any) state {
	switch p := p.(type) {
	case *sketch.Counter:
		return counter{p}
	case *sketch.Cardinality:
		return cardinality{p}
	case *sketch.Quantile:
		return quantile{p}
	case *sketch.Rate:
		return rate{p}
	case *sketch.Histogram:
		return histogram{p}
	case state:
		return p
	}
	return nil
}

type counter struct{ *sketch.Counter }

func (c counter) mergeFrom(src state) { c.Merge(src.(counter).Counter) }
func (c counter) copyFrom(src state)  { c.CopyFrom(src.(counter).Counter) }
func (c counter) render(v *Value, _ Rendering) {
	v.Kind, v.Int = KindCounter, c.Value()
}

type cardinality struct{ *sketch.Cardinality }

func (c cardinality) mergeFrom(src state) { c.Merge(src.(cardinality).Cardinality) }
func (c cardinality) mergeKeys(state)     { c.Reset() }
func (c cardinality) copyFrom(src state)  { c.CopyFrom(src.(cardinality).Cardinality) }
func (c cardinality) render(v *Value, r Rendering) {
	v.Kind, v.Int = KindCardinality, c.Estimate()
	if r.Sketches {
		v.Sketch = c.Cardinality
	}
}

type quantile struct{ *sketch.Quantile }

func (q quantile) mergeFrom(src state) { q.Merge(src.(quantile).Quantile) }
func (q quantile) copyFrom(src state)  { q.CopyFrom(src.(quantile).Quantile) }
func (q quantile) render(v *Value, r Rendering) {
	v.Kind = KindQuantile
	if r.Sketches {
		v.Sketch = q.Quantile
	}
	v.Quantiles, v.Within = Quantiles{N: q.Count(), Sum: q.Sum()}, q.Error()
	if q.Count() > 0 {
		v.Quantiles.fill(q.Quantile.Quantile, q.Max())
	}
}

type rate struct{ *sketch.Rate }

func (q rate) mergeFrom(src state) { q.Merge(src.(rate).Rate) }
func (q rate) copyFrom(src state)  { q.CopyFrom(src.(rate).Rate) }
func (q rate) render(v *Value, r Rendering) {
	v.Kind = KindRate
	d := q.Over(r.Seconds, r.Running)
	v.Quantiles = Quantiles{N: d.Count(), Sum: float64(d.Total())}
	at := func(p float64) float64 { return float64(d.Quantile(p)) }
	v.Quantiles.fill(at, at(1))
	if r.LiveSecond != 0 {
		v.Quantiles.Live, v.Quantiles.HasLive = q.At(r.LiveSecond), true
	}
}

func (s *Quantiles) fill(at func(float64) float64, most float64) {
	s.P50, s.P90, s.P95, s.P99, s.Max = at(0.5), at(0.9), at(0.95), at(0.99), most
}

type histogram struct{ *sketch.Histogram }

func (h histogram) mergeFrom(src state) { h.Merge(src.(histogram).Histogram) }
func (h histogram) copyFrom(src state)  { h.CopyFrom(src.(histogram).Histogram) }
func (h histogram) render(v *Value, _ Rendering) {
	v.Kind = KindHistogram
	for bin := range h.Bins() {
		v.Bins = append(v.Bins, Bin{Le: bin.Label, Count: bin.Cumulative})
	}
	if h.Count() == 0 {
		return
	}
	v.Bins = append(v.Bins, Bin{Le: "+Inf", Count: h.Count()})
	for bin := range h.Coarse() {
		v.Buckets = append(v.Buckets, Bin{Le: bin.Label, Count: bin.Cumulative})
	}
	v.Buckets = append(v.Buckets, Bin{Le: "+Inf", Count: h.Count()})
}

// threshold cuts items, which are in descending order, at the first one below the given percentile
// of their estimates.
func threshold(items []Item, percentile int) []Item {
	if percentile == 0 || len(items) == 0 {
		return items
	}
	rank := int(math.Ceil(float64(percentile) / 100 * float64(len(items)))) // 1 is the smallest
	least := items[len(items)-rank].Estimate
	for i := range items {
		if items[i].Estimate < least {
			return items[:i]
		}
	}
	return items
}

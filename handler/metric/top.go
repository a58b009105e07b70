package metric

import (
	"bytes"
	"net/netip"
	"strconv"

	"visor/decode/dnsmsg"
	"visor/geo"
	"visor/sketch"
)

// Key is the constraint for keys of a [Top] list: a small ordered value with a text. Keys with
// equal counts are listed in the order of Compare.
type Key[K any] interface {
	comparable
	Compare(K) int
	String() string
}

// Top is a top list of fixed-size keys that can be a metric.
type Top[K Key[K]] struct{ sketch.TopK[K] }

func (t *Top[K]) mergeFrom(src state) { t.Merge(&src.(*Top[K]).TopK) }
func (t *Top[K]) mergeKeys(src state) { t.MergeKeys(&src.(*Top[K]).TopK) }
func (t *Top[K]) copyFrom(src state)  { t.CopyFrom(&src.(*Top[K]).TopK) }
func (t *Top[K]) render(v *Value, r Rendering) {
	renderTop(v, r, t.Total(), t.Error(), t.Items(r.TopN))
}

// Items returns the n entries with the highest counts.
func (t *Top[K]) Items(n int) []Item {
	return items(t.Top(n, K.Compare), func(k K) Item { return Item{Name: k.String()} })
}

// Code is the constraint for keys of a [TopNumbers] list: a named number of 16 bits, such as a
// [Port]. The text of String is the name of an entry.
type Code interface {
	~uint16
	String() string
}

// TopNumbers is an exact top list of numbers that can be a metric, such as a TopNumbers[Port] of
// ports. For other numbers define a type with a text:
//
//	type Hops uint16
//
//	func (h Hops) String() string { return strconv.Itoa(int(h)) }
//
// Its method Add, of [sketch.TopCounts], takes the number itself, without a hash.
type TopNumbers[K Code] struct{ sketch.TopCounts[K] }

func (t *TopNumbers[K]) mergeFrom(src state) { t.Merge(&src.(*TopNumbers[K]).TopCounts) }
func (t *TopNumbers[K]) copyFrom(src state)  { t.CopyFrom(&src.(*TopNumbers[K]).TopCounts) }
func (t *TopNumbers[K]) render(v *Value, r Rendering) {
	renderTop(v, r, t.Total(), t.Error(), t.Items(r.TopN))
}

// Items returns the n entries with the highest counts.
func (t *TopNumbers[K]) Items(n int) []Item {
	return items(t.Top(n), func(k K) Item { return Item{Name: k.String()} })
}

// TopNames is a top list of names that can be a metric.
type TopNames struct{ sketch.TopNames }

func (t *TopNames) mergeFrom(src state) { t.Merge(&src.(*TopNames).TopNames) }
func (t *TopNames) mergeKeys(src state) { t.MergeKeys(&src.(*TopNames).TopNames) }
func (t *TopNames) copyFrom(src state)  { t.CopyFrom(&src.(*TopNames).TopNames) }
func (t *TopNames) render(v *Value, r Rendering) {
	renderTop(v, r, t.Total(), t.Error(), t.Items(r.TopN))
}

// Items returns the n entries with the highest counts.
func (t *TopNames) Items(n int) []Item {
	return items(t.Top(n), func(k []byte) Item { return Item{Name: string(k)} })
}

// TopDomains is a top list of domain names, whole or partial, that can be a metric. Its names are
// [dnsmsg.Name] values; it shows their text. It is owned by one goroutine. The zero TopDomains is
// ready to use.
type TopDomains struct{ names sketch.TopNames }

// Limit sets the capacity of an empty list, see [sketch.TopNames.Limit].
func (t *TopDomains) Limit(capacity int) { t.names.Limit(capacity) }

// Add adds n to the count of name, whose hash h is [dnsmsg.Name.Hash]. It copies name when it
// enters the list.
func (t *TopDomains) Add(h uint64, name dnsmsg.Name, n uint64) { t.names.Add(h, name.Key(), n) }

// AddAll adds all of batch, whose names are [dnsmsg.Name.Key] values, like Add.
func (t *TopDomains) AddAll(batch []sketch.NameCount) { t.names.AddAll(batch) }

// Top returns the n entries with the highest counts. Their names are copies.
func (t *TopDomains) Top(n int) (out []sketch.Entry[dnsmsg.Name]) {
	for _, e := range t.names.Top(n) {
		name := dnsmsg.NameFromKey(bytes.Clone(e.Key))
		out = append(out, sketch.Entry[dnsmsg.Name]{Key: name, Upper: e.Upper, Lower: e.Lower})
	}
	return out
}

// Len returns the number of names in the list.
func (t *TopDomains) Len() int { return t.names.Len() }

// Total returns the sum of all added counts.
func (t *TopDomains) Total() uint64 { return t.names.Total() }

// Error returns [sketch.TopNames.Error].
func (t *TopDomains) Error() uint64 { return t.names.Error() }

// Refused returns [sketch.TopNames.Refused].
func (t *TopDomains) Refused() uint64 { return t.names.Refused() }

// Reset empties the list and keeps its memory.
func (t *TopDomains) Reset() { t.names.Reset() }

func (t *TopDomains) mergeFrom(src state) { t.names.Merge(&src.(*TopDomains).names) }
func (t *TopDomains) mergeKeys(src state) { t.names.MergeKeys(&src.(*TopDomains).names) }
func (t *TopDomains) copyFrom(src state)  { t.names.CopyFrom(&src.(*TopDomains).names) }
func (t *TopDomains) render(v *Value, r Rendering) {
	renderTop(v, r, t.Total(), t.Error(), t.Items(r.TopN))
}

// Items returns the n entries with the highest counts.
func (t *TopDomains) Items(n int) []Item {
	return items(t.Top(n), func(n dnsmsg.Name) Item { return Item{Name: n.String()} })
}

// TopLocations is a top list of locations, added by [geo.Location] keys.
type TopLocations struct{ sketch.TopNames }

func (t *TopLocations) mergeFrom(src state) { t.Merge(&src.(*TopLocations).TopNames) }
func (t *TopLocations) mergeKeys(src state) { t.MergeKeys(&src.(*TopLocations).TopNames) }
func (t *TopLocations) copyFrom(src state)  { t.CopyFrom(&src.(*TopLocations).TopNames) }
func (t *TopLocations) render(v *Value, r Rendering) {
	renderTop(v, r, t.Total(), t.Error(), t.Items(r.TopN))
}

// Items returns the n entries with the highest counts.
func (t *TopLocations) Items(n int) []Item {
	return items(t.Top(n), func(k []byte) Item {
		name, lat, lon := geo.ParseKey(k)
		return Item{Name: name, Lat: lat, Lon: lon}
	})
}

// items returns the entries of a list. The function name makes an Item of a key, without counts.
func items[K any](entries []sketch.Entry[K], name func(K) Item) (out []Item) {
	for _, e := range entries {
		item := name(e.Key)
		item.Estimate, item.Lower = e.Upper, e.Lower
		out = append(out, item)
	}
	return out
}

// renderTop sets v to the entries of a list, whose counts sum to total.
func renderTop(v *Value, r Rendering, total, most uint64, items []Item) {
	v.Kind, v.Total, v.Error, v.Items = KindTop, total, most, threshold(items, r.Percentile)
}

// IPv4 is an address as a list key.
type IPv4 [4]byte

// Compare orders addresses by their bytes.
func (a IPv4) Compare(b IPv4) int { return bytes.Compare(a[:], b[:]) }

// String returns the dotted form.
func (a IPv4) String() string { return netip.AddrFrom4(a).String() }

// IPv6 is an address as a list key.
type IPv6 [16]byte

// Compare orders addresses by their bytes.
func (a IPv6) Compare(b IPv6) int { return bytes.Compare(a[:], b[:]) }

// String returns the form of RFC 5952.
func (a IPv6) String() string { return netip.AddrFrom16(a).String() }

// Port is a port number as a list key.
type Port uint16

// String returns the number.
func (p Port) String() string { return strconv.Itoa(int(p)) }

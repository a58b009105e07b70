package metric

import (
	"visor/decode/dnsmsg"
	"visor/sketch"
)

// distinctDomains is the capacity of a [TopDistinctNames]. A list lacks a domain with the share s
// of all names with probability e^(-224·s).
const distinctDomains = 256

// TopDistinctNames is a list of domains with the most distinct names below them that can be a
// metric. The estimate of an item is the number of names. Items have the bytes of these names as
// their weight, and examples. Lists whose keys have different hashes do not merge: the sum is
// empty.
//
// It is owned by one goroutine. The zero TopDistinctNames is ready to use.
type TopDistinctNames struct{ list sketch.TopDistinct }

var _ cutter = (*TopDistinctNames)(nil)

// Add counts a name below a domain, with the hash and the key of both; see [dnsmsg.Name]. The
// domain is in its form as a whole name. The weight is the number of bytes of the name in front of
// the domain.
func (t *TopDistinctNames) Add(hash uint64, domain []byte, nameHash uint64, name []byte, weight int) {
	t.list.Limit(distinctDomains)
	t.list.Add(hash, domain, nameHash, name, uint32(weight))
}

// Items returns the n domains with the most distinct names.
func (t *TopDistinctNames) Items(n int) (out []Item) {
	for _, d := range t.list.Top(n) {
		item := Item{Name: nameText(d.Key), Estimate: d.Count, Lower: d.Count, Weight: d.Weight}
		for _, s := range d.Samples {
			item.Samples = appendSample(item.Samples, nameText(s))
		}
		out = append(out, item)
	}
	return out
}

// nameText returns the text of a name that may be cut.
func nameText(wire []byte) string {
	end := 0
	for end < len(wire) && wire[end] != 0 && end+int(wire[end]) < len(wire) {
		end += int(wire[end]) + 1
	}
	text := dnsmsg.NameFromKey(wire[:end:end]).String()
	if end < len(wire) {
		text += "…"
	}
	return text
}

// Refused returns [sketch.TopDistinct.Refused].
func (t *TopDistinctNames) Refused() uint64 { return t.list.Refused() }

// Reset empties the list and keeps its memory.
func (t *TopDistinctNames) Reset() { t.list.Reset() }

func (t *TopDistinctNames) mergeFrom(src state) { t.list.Merge(&src.(*TopDistinctNames).list) }
func (t *TopDistinctNames) mergeKeys(state)     { t.list.Reset() }
func (t *TopDistinctNames) copyFrom(src state)  { t.list.CopyFrom(&src.(*TopDistinctNames).list) }

func (t *TopDistinctNames) render(v *Value, r Rendering) {
	total := uint64(0)
	for _, d := range t.list.Top(distinctDomains) {
		total += d.Count
	}
	renderTop(v, r, total, t.list.Cut(), t.Items(r.TopN))
	v.Distinct = true
}

func (t *TopDistinctNames) wireKind() wireKind { return wireDistinctNames }

func (t *TopDistinctNames) append(dst []byte) []byte            { return t.appendHead(dst, 0) }
func (t *TopDistinctNames) appendHead(dst []byte, n int) []byte { return t.list.AppendHead(dst, n) }

func (t *TopDistinctNames) read(data []byte) error { return t.list.UnmarshalBinary(data) }
func (t *TopDistinctNames) size() int              { return t.list.Size() }

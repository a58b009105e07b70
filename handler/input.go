package handler

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"visor/capture"
	"visor/internal/wire"
)

// Input holds the outcomes of the input in the time of a [Snapshot]. The zero Input is unknown.
// Only closed periods have one, see [AttachConfig]. Policies of one input have the same.
type Input struct {
	Account Account          // of frames
	Reasons []capture.Reason // reasons why input was not analyzed, the most frequent first
}

const (
	maxReasons   = 256 // texts of an Input
	otherReasons = "other reasons"
)

// Add adds b to i. It keeps the 256 most frequent texts and counts the others together.
func (i *Input) Add(b Input) {
	i.Account.Add(b.Account)
	if len(b.Reasons) > 0 {
		i.Reasons = reasonsOf(slices.Concat(i.Reasons, b.Reasons))
	}
}

// reasonsOf returns a list with each text once, the most frequent first.
func reasonsOf(list []capture.Reason) (out []capture.Reason) {
	counts := make(map[string]uint64)
	for _, r := range list {
		counts[r.Text] += r.Count
	}
	for text, n := range counts {
		if n > 0 {
			out = append(out, capture.Reason{Text: text, Count: n})
		}
	}
	slices.SortFunc(out, func(a, b capture.Reason) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Text, b.Text))
	})
	if len(out) <= maxReasons {
		return out
	}
	rest := capture.Reason{Text: otherReasons}
	for _, r := range out[maxReasons-1:] {
		rest.Count += r.Count
	}
	out = append(out[:maxReasons-1], rest)
	return reasonsOf(out) // the text may be there already
}

// input returns the counts of p's input so far.
func (p *Pipeline) input() Input { return Input{p.Account(), p.Reasons()} }

// since returns the increase over an earlier Input. Counts that a source corrected down are 0.
func (i Input) since(before Input) (out Input) {
	now, was := i.Account.fields(), before.Account.fields()
	for k, field := range out.Account.fields() {
		*field = *now[k] - min(*was[k], *now[k])
	}
	counted := make(map[string]uint64)
	for _, r := range before.Reasons {
		counted[r.Text] = r.Count
	}
	for _, r := range i.Reasons {
		if more := r.Count - min(counted[r.Text], r.Count); more > 0 {
			out.Reasons = append(out.Reasons, capture.Reason{Text: r.Text, Count: more})
		}
	}
	out.Reasons = reasonsOf(out.Reasons)
	return out
}

// fields returns the counts of a, in the order of their bytes.
func (a *Account) fields() [6]*uint64 {
	return [...]*uint64{&a.Offered, &a.Analysed, &a.Filtered, &a.NotSampled, &a.Undecodable, &a.Dropped}
}

func (i *Input) append(dst []byte) []byte {
	for _, n := range i.Account.fields() {
		dst = binary.AppendUvarint(dst, *n)
	}
	dst = binary.AppendUvarint(dst, uint64(len(i.Reasons)))
	for _, r := range i.Reasons {
		dst = binary.AppendUvarint(wire.AppendText(dst, r.Text), r.Count)
	}
	return dst
}

// read reads a block. A newer version may append to it what this one ignores.
func (i *Input) read(r *wire.Reader) {
	for _, n := range i.Account.fields() {
		*n = r.Uvarint()
	}
	n := r.Count(2)
	if n > maxReasons {
		r.Failf("%d reasons", n)
		return
	}
	for range n {
		i.Reasons = append(i.Reasons, capture.Reason{Text: r.Text(), Count: r.Uvarint()})
	}
}

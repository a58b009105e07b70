package handler

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
	"sync"

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
		i.Reasons = boundReasons(reasonsOf(slices.Concat(i.Reasons, b.Reasons)))
	}
}

// reasonsOf returns a list with each text once, the most frequent first.
func reasonsOf(list []capture.Reason) (out []capture.Reason) {
	sums := make(map[string]capture.Reason)
	for _, r := range list {
		sum := sums[r.Text]
		sums[r.Text] = capture.Reason{Text: r.Text, Count: sum.Count + r.Count, Waiting: sum.Waiting + r.Waiting}
	}
	for _, r := range sums {
		if r.Count > 0 {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b capture.Reason) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Text, b.Text))
	})
	return out
}

// boundReasons counts the texts of a list beyond the most frequent ones together.
func boundReasons(list []capture.Reason) []capture.Reason {
	if len(list) <= maxReasons {
		return list
	}
	for i := maxReasons - 1; i < len(list); i++ {
		list[i].Text = otherReasons
	}
	return reasonsOf(list)
}

// ownReasons are the texts that count on their own, the first ones of a pipeline. A text that
// counted among the others stays there, because no count of a pipeline falls.
type ownReasons struct {
	mu    sync.Mutex
	texts map[string]bool
}

// bound counts the texts of a list that are not own together.
func (o *ownReasons) bound(list []capture.Reason) []capture.Reason {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.texts == nil {
		o.texts = make(map[string]bool)
	}
	for i := range list {
		switch r := &list[i]; {
		case o.texts[r.Text]:
		case len(o.texts) < maxReasons-1:
			o.texts[r.Text] = true
		default:
			r.Text = otherReasons
		}
	}
	return reasonsOf(list)
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

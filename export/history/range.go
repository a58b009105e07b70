package history

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"visor/handler"
)

// Answer holds the counts of a range.
type Answer struct {
	// nil if nothing was counted; the caller may change it
	Snapshot *handler.Snapshot
	Asked    handler.Interval // the range of the question; a step in Series
	// From and To are the range of Snapshot. It is wider than Asked where only records of a coarser
	// tier are left. Without a Snapshot it is Asked.
	From, To time.Time
	Gaps     []Gap // the parts of Asked and of From to To that Snapshot lacks, in order
	Records  int   // the number of records that were merged
}

// Gap is a time without counts.
type Gap struct {
	handler.Interval
	Reason string // "" if nothing counted then
}

// MaxSteps is the highest number of steps in a series.
const MaxSteps = 2000

// Range returns what a policy counted from one time until before another, merged from the fewest
// records. The times of a period in the live window are a gap, see [Answer.Add]. The error wraps
// ErrUnknownPolicy if the policy has no records at all.
func (s *Store) Range(ctx context.Context, policy string, from, to time.Time) (Answer, error) {
	q := query{Store: s, policy: policy}
	if err := q.known(); err != nil {
		return Answer{}, err
	}
	return q.answer(ctx, from, to)
}

// Series returns an answer for each step from one time until before another. A step without counts
// has an answer without a Snapshot. Where only coarser records are left, one answer replaces all
// steps in its range. Series ends with the first error: a step that is too short for the range, see
// MaxSteps, or one of Range.
func (s *Store) Series(ctx context.Context, policy string, from, to time.Time, step time.Duration) iter.Seq2[Answer, error] {
	return func(yield func(Answer, error) bool) {
		q := query{Store: s, policy: policy}
		err := q.known()
		if n := to.Sub(from) / max(step, 1); err == nil && (step <= 0 || n > MaxSteps) {
			err = fmt.Errorf("history: %v to %v in steps of %v exceeds %d steps", from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339), step, MaxSteps)
		}
		if err == nil {
			err = q.series(ctx, from, to, step, func(a Answer) bool { return yield(a, nil) })
		}
		if err != nil {
			yield(Answer{}, err)
		}
	}
}

// query answers questions about one policy, in the order of time. It uses each record once.
type query struct {
	*Store
	policy  string
	used    int64 // start of the latest record that was used
	covered int64 // end of it
	any     bool  // a record was used
}

// known returns an error if the policy has no records.
func (q query) known() error {
	found := false
	err := q.open.view(func(tx *bolt.Tx) error {
		for t := range tiers {
			found = found || chain{t, q.policy}.bucket(tx) != nil
		}
		return nil
	})
	if err == nil && !found {
		err = fmt.Errorf("%w %q", ErrUnknownPolicy, q.policy)
	}
	return err
}

// errChanged is the error of records that were deleted or replaced during the answer.
var errChanged = errors.New("history: records changed during the answer")

// answer answers for a range, again if records change meanwhile.
func (q query) answer(ctx context.Context, from, to time.Time) (a Answer, err error) {
	for range 3 {
		again := q
		var p plan
		if a, p, err = again.prepare(from, to); err == nil {
			err = q.complete(ctx, &a, &p)
		}
		if !errors.Is(err, errChanged) {
			break
		}
	}
	return a, err
}

// prepare plans the answer for a range, and notes which records it uses.
func (q *query) prepare(from, to time.Time) (a Answer, p plan, err error) {
	p.policy = q.policy
	low, high := nanoseconds(from), nanoseconds(to)
	if err := q.open.view(func(tx *bolt.Tx) error { return p.find(tx, low, high) }); err != nil {
		return a, p, err
	}
	if q.any {
		p.records = slices.DeleteFunc(p.records, func(r record) bool { return r.start <= q.used })
		p.before = max(p.before, q.covered)
	}
	if n := len(p.records); n > 0 {
		q.any, q.used = true, p.records[n-1].start
		for _, r := range p.records {
			q.covered = max(q.covered, r.end)
		}
	}
	return Answer{Asked: handler.Interval{Start: from, End: to}, From: from, To: to}, p, nil
}

// complete reads and merges the records of a plan.
func (q query) complete(ctx context.Context, a *Answer, p *plan) error {
	if err := q.merge(ctx, a, p.records); err != nil {
		return err
	}
	a.setGaps(p.before, p.lost)
	return nil
}

// merge merges records, the newest first: if a policy has changed, the counts since then are shown.
func (q query) merge(ctx context.Context, a *Answer, records []record) error {
	sum := handler.Merger{Overlap: true} // a clock may have been set back
	var only *handler.Snapshot
	for _, r := range slices.Backward(records) {
		if err := ctx.Err(); err != nil {
			return err
		}
		s, err := q.load(&r)
		if errors.Is(err, errChanged) {
			return err
		}
		if err == nil && len(records) > 1 {
			err = sum.Add(s, handler.Origin{})
		} else if err == nil {
			only = s
		}
		if err != nil {
			a.Gaps = append(a.Gaps, Gap{between(r.start, r.end), err.Error()})
			continue
		}
		if a.Records == 0 {
			a.To = time.Unix(0, r.end)
		}
		a.From = time.Unix(0, r.start)
		if end := time.Unix(0, r.end); end.After(a.To) {
			a.To = end
		}
		a.Records++
	}
	if a.Snapshot = only; only == nil {
		a.Snapshot = sum.Snapshot()
	}
	if a.Snapshot != nil {
		name(a.Snapshot)
	}
	return nil
}

// load reads a record of a plan.
func (q query) load(r *record) (*handler.Snapshot, error) {
	var found record
	bad := error(nil)
	err := q.open.view(func(tx *bolt.Tx) error {
		b := r.chain.bucket(tx)
		if b == nil {
			return errChanged
		}
		value := b.Get(keyOf(r.start))
		if value == nil {
			return errChanged
		}
		found, bad = readRecord(value)
		if found.sum != r.sum && r.number > 0 {
			return errChanged // it may contain another record of the plan now
		}
		if bad == nil && (found.chain != r.chain || found.start != r.start) {
			bad = fmt.Errorf("%w: it is in another's place", errDamaged)
		}
		found = found.clone()
		return nil
	})
	if err != nil {
		return nil, err
	}
	if bad != nil {
		q.tally(&q.stats.damaged)
		return nil, bad
	}
	return q.unpack(&found)
}

func between(start, end int64) handler.Interval {
	return handler.Interval{Start: time.Unix(0, start), End: time.Unix(0, end)}
}

// Add adds the counts of s to a, as of the live period. by is the origin of modules of a pipeline.
// If the policy has changed and a does not add up with s, the former counts become a gap.
func (a *Answer) Add(s *handler.Snapshot, by handler.Origin) error {
	start, end, ok := timeOf(s)
	if !ok {
		return nil
	}
	sum := handler.Merger{Overlap: true}
	if err := sum.Add(s, by); err != nil {
		return err
	}
	if a.Snapshot != nil {
		if err := sum.Add(a.Snapshot, handler.Origin{}); err != nil {
			a.leaveOut(err)
		}
	}
	if first := time.Unix(0, start); a.Snapshot == nil || first.Before(a.From) {
		a.From = first
	}
	if last := time.Unix(0, end); a.Snapshot == nil || last.After(a.To) {
		a.To = last
	}
	a.Snapshot = sum.Snapshot()
	name(a.Snapshot)
	a.Gaps = without(a.Gaps, []handler.Interval{between(start, end)})
	return nil
}

// leaveOut adds a gap of a's whole range.
func (a *Answer) leaveOut(why error) {
	a.Gaps = append(a.Gaps, Gap{handler.Interval{Start: a.From, End: a.To}, why.Error()})
	slices.SortFunc(a.Gaps, func(g, h Gap) int { return g.Start.Compare(h.Start) })
	a.Snapshot, a.Records = nil, 0
}

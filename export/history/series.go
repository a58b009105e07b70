package history

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"
)

// pending is an answer that is being merged.
type pending struct {
	answer Answer
	err    error
	done   chan struct{}
}

// series calls yield with the answer of each step, until it returns false. The steps are planned
// one after the other, and merged by two goroutines for each processor.
func (q query) series(ctx context.Context, from, to time.Time, step time.Duration, yield func(Answer) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	var ahead []*pending
	for at := from; at.Before(to) || len(ahead) > 0; {
		for ; at.Before(to) && len(ahead) < 2*runtime.GOMAXPROCS(0); at = at.Add(step) {
			end := at.Add(step)
			if end.After(to) {
				end = to
			}
			if next := q.begin(ctx, at, end, &running); next != nil {
				ahead = append(ahead, next)
			}
		}
		if len(ahead) == 0 {
			return nil
		}
		first := ahead[0]
		ahead = ahead[1:]
		<-first.done
		if first.err != nil {
			return first.err
		}
		if !yield(first.answer) {
			return nil
		}
	}
	return nil
}

// begin starts to answer for a step. It returns nil if an answer before contains it.
func (q *query) begin(ctx context.Context, from, to time.Time, running *sync.WaitGroup) *pending {
	before := *q
	next := &pending{done: make(chan struct{})}
	a, p, err := q.prepare(from, to)
	if err == nil && len(p.records) == 0 {
		if a.setGaps(p.before, p.lost); len(a.Gaps) == 0 {
			return nil
		}
	}
	if err != nil || len(p.records) == 0 {
		next.answer, next.err = a, err
		close(next.done)
		return next
	}
	running.Go(func() {
		defer close(next.done)
		if err = before.complete(ctx, &a, &p); errors.Is(err, errChanged) {
			a, err = before.answer(ctx, from, to)
		}
		next.answer, next.err = a, err
	})
	return next
}

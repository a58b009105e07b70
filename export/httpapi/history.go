package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"visor/export"
	"visor/export/history"
	"visor/handler"
	"visor/handler/policy"
)

// Limits of questions about history.
const (
	historyTime   = 30 * time.Second // maximum time for an answer
	historyRange  = time.Hour        // range without the parameter from
	maxHistory    = 64 << 20         // bytes of an answer
	historyUnused = "this agent keeps no history: start it with --history DIR"
)

// errLarge is the error of an answer that exceeds maxHistory.
var errLarge = fmt.Errorf("the answer exceeds %d bytes: choose metrics, as metrics=dns.wire_packets, or a longer step", maxHistory)

// query is a question about the history of a policy.
type query struct {
	policy   string
	from, to time.Time
	step     time.Duration // 0 for the whole range as one
}

// parseQuery reads the parameters of a request.
func parseQuery(r *http.Request, now time.Time) (q query, err error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return q, err
	}
	q.policy = r.PathValue("policy")
	from, fromErr := parseTime("from", values.Get("from"), now, now.Add(-historyRange))
	to, toErr := parseTime("to", values.Get("to"), now, now)
	if q.from, q.to = from, to; fromErr != nil || toErr != nil {
		return q, errors.Join(fromErr, toErr)
	}
	if !q.from.Before(q.to) {
		return q, fmt.Errorf("from %s must be before to %s", clock(q.from), clock(q.to))
	}
	if text := values.Get("step"); text != "" {
		if q.step, err = parseLength(text); err != nil || q.step < time.Second || q.step%time.Second != 0 {
			return q, fmt.Errorf("step=%s: must be whole seconds, as 60, 60s, 10m, 1h or 1d", text)
		}
	}
	return q, q.checkSteps()
}

// checkSteps returns an error if there are too many steps.
func (q *query) checkSteps() error {
	if q.step == 0 {
		return nil
	}
	if n := int64((q.to.Sub(q.from) + q.step - 1) / q.step); n > history.MaxSteps {
		return fmt.Errorf("%s to %s has %d steps of %v, and at most %d are allowed: take a longer step", clock(q.from), clock(q.to), n, q.step, history.MaxSteps)
	}
	return nil
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// interval returns what a policy counted in the range of q, with the live period if the range
// reaches it.
func (a *API) interval(ctx context.Context, q *query) (history.Answer, error) {
	out, err := a.cfg.History.Range(ctx, q.policy, q.from, q.to)
	if errors.Is(err, history.ErrUnknownPolicy) && a.cfg.Policies.Policy(q.policy) != nil {
		out, err = none(q.from, q.to), nil
	}
	if err != nil {
		return out, err
	}
	return out, a.addLive(&out, q)
}

// none returns the answer of a range without counts.
func none(from, to time.Time) history.Answer {
	whole := handler.Interval{Start: from, End: to}
	return history.Answer{Asked: whole, From: from, To: to, Gaps: []history.Gap{{Interval: whole}}}
}

// series passes on an answer for each step of q, one at a time, because all of them together may
// not fit into memory. The step in which the live period starts includes it.
func (a *API) series(ctx context.Context, q *query, each func(*history.Answer) error) error {
	live, start := a.live(q)
	pass := func(answer *history.Answer) error {
		if live != nil && !start.Before(answer.Asked.Start) && start.Before(answer.Asked.End) {
			if err := answer.Add(live, a.origin(q.policy)); err != nil {
				return err
			}
			live = nil
		}
		return each(answer)
	}
	for answer, err := range a.cfg.History.Series(ctx, q.policy, q.from, q.to, q.step) {
		if errors.Is(err, history.ErrUnknownPolicy) && a.cfg.Policies.Policy(q.policy) != nil {
			return q.unknown(pass)
		}
		if err == nil {
			err = pass(&answer)
		}
		if err != nil {
			return err
		}
	}
	if live != nil { // a record before covers the start of its step
		rest := none(start, q.to)
		return pass(&rest)
	}
	return nil
}

// unknown passes on the steps of a policy without records.
func (q *query) unknown(pass func(*history.Answer) error) error {
	for at := q.from; at.Before(q.to); at = at.Add(q.step) {
		end := at.Add(q.step)
		if end.After(q.to) {
			end = q.to
		}
		step := none(at, end)
		if err := pass(&step); err != nil {
			return err
		}
	}
	return nil
}

// addLive adds the live period to an answer that reaches it.
func (a *API) addLive(to *history.Answer, q *query) error {
	live, _ := a.live(q)
	if live == nil {
		return nil
	}
	return to.Add(live, a.origin(q.policy))
}

// live returns the live period of a policy and its start, or nil if it starts outside of the range.
func (a *API) live(q *query) (*handler.Snapshot, time.Time) {
	p := a.cfg.Policies.Policy(q.policy)
	if p == nil || !anyLive(p) {
		return nil, time.Time{}
	}
	s, err := p.Bucket(0)
	if err != nil {
		return nil, time.Time{}
	}
	var start time.Time
	for i := range s.Modules {
		if m := s.Modules[i].Start; !m.IsZero() && (start.IsZero() || m.Before(start)) {
			start = m
		}
	}
	if start.IsZero() || start.Before(q.from) || !start.Before(q.to) {
		return nil, start
	}
	return s, start
}

func anyLive(p *policy.Running) bool {
	for i := range p.Parts {
		if p.Parts[i].Live() {
			return true
		}
	}
	return false
}

func (a *API) origin(policy string) handler.Origin {
	by := a.cfg.Origin
	by.Policy = policy
	return by
}

// ofHistory runs a question about history with a limited time.
func (a *API) ofHistory(r *http.Request, answer func(context.Context, *query) (reply, error)) reply {
	if a.cfg.History == nil {
		return failure(http.StatusNotFound, historyUnused)
	}
	q, err := parseQuery(r, time.Now())
	if err != nil {
		return failure(http.StatusBadRequest, err.Error())
	}
	// other clients may wait for the same answer
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), historyTime)
	defer cancel()
	rep, err := answer(ctx, &q)
	switch {
	case errors.Is(err, history.ErrUnknownPolicy):
		return failure(http.StatusNotFound, fmt.Sprintf("policy '%s' does not exist and has no history", q.policy))
	case errors.Is(err, errLarge):
		return failure(http.StatusBadRequest, err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		rep = failure(http.StatusServiceUnavailable, fmt.Sprintf("the answer takes more than %v: ask for a shorter range", historyTime))
		rep.retry = int(historyTime / time.Second)
	case err != nil:
		return failure(http.StatusInternalServerError, err.Error())
	}
	return rep
}

// gapObject is a time without counts.
type gapObject struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Reason string `json:"reason,omitempty"`
}

// historyObject is the answer for a range, or for a step. Metrics is null without counts.
type historyObject struct {
	From    string          `json:"from"`
	To      string          `json:"to"`
	Records int             `json:"records"`
	Gaps    []gapObject     `json:"gaps"`
	Metrics json.RawMessage `json:"metrics"`
	// metrics without a value by module, because values of different hash keys do not merge
	LeftOut map[string][]string `json:"left_out,omitempty"`
	// by module and metric: lists that are not exact, and quantiles that lost detail
	Bounds map[string]map[string]export.Bound `json:"bounds,omitempty"`
}

func gapsOf(a *history.Answer) []gapObject {
	out := make([]gapObject, 0)
	for _, g := range a.Gaps {
		out = append(out, gapObject{clock(g.Start), clock(g.End), g.Reason})
	}
	return out
}

// object returns an answer in JSON, with the chosen metrics alone.
func (q *query) object(a *history.Answer, chosen selection) (historyObject, error) {
	out := historyObject{From: clock(a.From), To: clock(a.To), Records: a.Records, Gaps: gapsOf(a), Metrics: json.RawMessage("null")}
	if a.Snapshot == nil {
		return out, nil
	}
	for i := range a.Snapshot.Modules {
		if m := &a.Snapshot.Modules[i]; len(m.LeftOut) > 0 {
			if out.LeftOut == nil {
				out.LeftOut = make(map[string][]string)
			}
			out.LeftOut[m.Name] = m.LeftOut
		}
	}
	out.Bounds = export.Bounds(a.Snapshot)
	var b bytes.Buffer
	err := export.WritePoliciesJSON(&b, map[string]*handler.Snapshot{q.policy: a.Snapshot})
	if err == nil {
		out.Metrics, err = chosen.of(b.Bytes())
	}
	return out, err
}

// history answers with the counts of a range, or of each step of it.
func (a *API) history(r *http.Request) reply {
	return a.ofHistory(r, func(ctx context.Context, q *query) (reply, error) {
		chosen, known := newSelection(r.URL.Query()["metrics"]), make(paths)
		if q.step == 0 {
			answer, err := a.interval(ctx, q)
			if err != nil {
				return reply{}, err
			}
			known.add(answer.Snapshot)
			if problem := known.problem(chosen); problem != "" {
				return failure(http.StatusBadRequest, problem), nil
			}
			out, err := q.object(&answer, chosen)
			return jsonReply(http.StatusOK, out), err
		}
		steps, size := make([]historyObject, 0), 0
		err := a.series(ctx, q, func(answer *history.Answer) error {
			known.add(answer.Snapshot)
			step, err := q.object(answer, chosen)
			if size += len(step.Metrics); size > maxHistory {
				return errLarge
			}
			steps = append(steps, step)
			return err
		})
		if err != nil {
			return reply{}, err
		}
		if problem := known.problem(chosen); problem != "" {
			return failure(http.StatusBadRequest, problem), nil
		}
		return jsonReply(http.StatusOK, object{"from": clock(q.from), "to": clock(q.to), "step": q.step.Seconds(), "steps": steps}), nil
	})
}

// historySnapshot answers with the counts of a range as bytes.
func (a *API) historySnapshot(r *http.Request) reply {
	return a.ofHistory(r, func(ctx context.Context, q *query) (reply, error) {
		if q.step != 0 {
			return failure(http.StatusBadRequest, "step: a snapshot has no steps"), nil
		}
		answer, err := a.interval(ctx, q)
		switch {
		case err != nil:
			return reply{}, err
		case answer.Snapshot == nil:
			return failure(http.StatusNotFound, "nothing was counted from "+clock(q.from)+" to "+clock(q.to)), nil
		}
		return a.packed(answer.Snapshot, q.policy), nil
	})
}

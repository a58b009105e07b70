package policy

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"sync"
	"time"

	"visor/capture"
	"visor/handler"
	"visor/handler/anonymize"
)

// Running is a running policy: its handlers, once for each of its taps. It is safe for concurrent
// use. Its fields are immutable.
type Running struct {
	Policy Policy
	Parts  []Part

	measures bool     // the policy measures the cost of its input, and ends with it
	closing  *closing // nil if closed periods are not passed on
	inputs   int      // number of parts, before all are started
	// nil without earlier periods
	past    func(context.Context) iter.Seq[*handler.Snapshot]
	lease   time.Duration // 0 without a lease
	mu      sync.Mutex    // guards the following fields
	expires *time.Timer
	earlier counts  // of the policies that this one has replaced
	handed  *counts // its own when another one replaced it; nil before
	reason  error   // why it has ended; set before ended is closed

	ended chan struct{}
}

// counts are what the handlers of a policy have counted since it started.
type counts struct {
	totals   []handler.Totals
	accounts map[string]handler.Account // by module name
}

// Part is a policy's share of one tap.
type Part struct {
	Tap        Tap    // configuration when the policy started
	Input      string // name of the input
	Attachment *handler.Attachment
	// with their names in Attachment, and all tables that were merged into theirs
	Modules []Module

	// how the handlers show addresses; nil for whole ones
	Anonymize *anonymize.Method

	handlers []handler.Handler
	input    *input
	watch    *watch // nil without findings
}

// InputStatus describes the input of a Part.
type InputStatus struct {
	Type     string
	Config   Options // the tap's, overridden by the policy's
	Facts    Options // facts in addition to the configuration
	Policies int     // policies that it feeds
	Running  bool    // it has neither ended nor failed
}

// InputStatus describes the part's current input.
func (p *Part) InputStatus() InputStatus {
	p.input.mu.Lock()
	defer p.input.mu.Unlock()
	s := InputStatus{Type: p.Tap.InputType, Config: maps.Clone(p.input.config), Facts: maps.Clone(p.input.facts), Policies: p.input.policies, Running: p.input.running()}
	if _, shown := s.Facts[HostIPs]; shown {
		s.Facts[HostIPs] = shownNets(cmp.Or(p.input.pipeline.Hosts(), &p.input.hosts))
	}
	if p.input.datagrams {
		s.Facts = Options{"packet_errors": p.input.pipeline.Account().Undecodable}
	}
	return s
}

// Account returns the outcomes of the frames of the part's input, which other policies may share.
func (p *Part) Account() handler.Account { return p.input.pipeline.Account() }

// Reasons returns the reasons why frames of the input were not analyzed, see
// [handler.Pipeline.Reasons].
func (p *Part) Reasons() []capture.Reason { return p.input.pipeline.Reasons() }

// Outage returns the outages of a live input.
func (p *Part) Outage() Outage {
	if p.input.again == nil {
		return Outage{}
	}
	return p.input.again.state()
}

// Span returns the times of the earliest and the latest frame of the input; see
// [handler.Pipeline.Span].
func (p *Part) Span() (first, last time.Time) { return p.input.pipeline.Span() }

// ClockSteps returns the number of clock steps while the input ran live.
func (p *Part) ClockSteps() uint64 { return p.input.pipeline.ClockSteps() }

// Ended is closed when the input has ended. A recording ends after all of it was counted.
func (p *Part) Ended() <-chan struct{} { return p.input.ended }

// Live reports whether the input is live. A recording is read once, starting with the first policy
// that uses it.
func (p *Part) Live() bool { return p.input.live }

// Bucket returns the metrics of one period, see [handler.Attachment.Bucket], of the handlers of all
// taps.
func (r *Running) Bucket(n int) (*handler.Snapshot, error) {
	return r.collect(func(g *handler.Attachment) (*handler.Snapshot, error) { return g.Bucket(n) })
}

// Window returns the metrics of the n newest periods, see [handler.Attachment.Window], of the
// handlers of all taps.
func (r *Running) Window(n int) (*handler.Snapshot, error) {
	return r.collect(func(g *handler.Attachment) (*handler.Snapshot, error) { return g.Window(n) })
}

// Latest returns the period for monitoring: the last closed one, or the live one before that.
func (r *Running) Latest() (*handler.Snapshot, error) {
	if s, err := r.Bucket(1); err == nil {
		return s, nil
	}
	return r.Bucket(0)
}

// collect queries the parts and combines their answers.
func (r *Running) collect(ask func(*handler.Attachment) (*handler.Snapshot, error)) (*handler.Snapshot, error) {
	out := &handler.Snapshot{}
	for i := range r.Parts {
		s, err := ask(r.Parts[i].Attachment)
		if err != nil {
			return nil, err
		}
		out.Modules, out.Window, out.Period = append(out.Modules, s.Modules...), s.Window, s.Period
	}
	if !r.Policy.Merge {
		return out, nil
	}
	merged, err := mergeLike(out.Modules)
	out.Modules = merged
	return out, err
}

// mergeLike merges all modules of one type and version. Both must be equal. pktvisor compares
// either one, and merges modules that do not fit: its grouping fails for three kinds of handler.
func mergeLike(modules []handler.Module) (out []handler.Module, err error) {
	type kind struct{ typ, version string }
	var kinds []kind
	alike := make(map[kind][]*handler.Module)
	for i := range modules {
		k := kind{modules[i].Type, modules[i].Version}
		if alike[k] == nil {
			kinds = append(kinds, k)
		}
		alike[k] = append(alike[k], &modules[i])
	}
	for _, k := range kinds {
		sum, err := handler.Join(mergedName(alike[k][0].Schema), alike[k]...)
		if err != nil {
			return nil, err
		}
		out = append(out, sum)
	}
	return out, nil
}

// mergedName returns the name of the module that merges all modules of a schema.
func mergedName(schema string) string { return schema + "_merged" }

// Totals returns what the handlers of all taps have counted since the policy started. A policy that
// replaces another one continues its totals, where the handlers are of the same kind and name. They
// are not merged, even if the policy merges its handlers.
func (r *Running) Totals() []handler.Totals {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.handed != nil {
		return r.handed.totals
	}
	return r.total()
}

// total is Totals before a replacement. The caller holds mu.
func (r *Running) total() []handler.Totals {
	var out []handler.Totals
	for i := range r.Parts {
		out = append(out, r.Parts[i].Attachment.Totals()...)
	}
	return handler.Continue(out, r.earlier.totals)
}

// Accounts returns the outcomes of the events shown to each module since the policy started, by its
// name. A policy that replaces another one continues the accounts of modules with the same name.
func (r *Running) Accounts() map[string]handler.Account {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.handed != nil {
		return r.handed.accounts
	}
	return r.account()
}

// account is Accounts before a replacement. The caller holds mu.
func (r *Running) account() map[string]handler.Account {
	out := make(map[string]handler.Account)
	for i := range r.Parts {
		for name, sum := range r.Parts[i].Attachment.Accounts() {
			sum.Add(r.earlier.accounts[name])
			out[name] = sum
		}
	}
	return out
}

// hand makes next continue the counts of r, which then no longer change: next has counted all
// events since it began, so that no event is missing and no total becomes less.
func (r *Running) hand(next *Running) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.handed = &counts{r.total(), r.account()}
	next.earlier = *r.handed
}

// Replaced reports whether another policy continues the totals of r.
func (r *Running) Replaced() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.handed != nil
}

// Ended is closed when the policy has ended or another one has replaced it.
func (r *Running) Ended() <-chan struct{} { return r.ended }

// Reason returns why the policy has ended, or nil before that.
func (r *Running) Reason() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reason
}

// Renew restarts the lease of a policy. It has no effect without a lease or after its end.
func (r *Running) Renew() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.expires != nil && r.expires.Stop() {
		r.expires.Reset(r.lease)
	}
}

// expire calls over when the lease has ended.
func (r *Running) expire(over func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lease > 0 {
		r.expires = time.AfterFunc(r.lease, over)
	}
}

// end ends the lease, and closes ended.
func (r *Running) end(reason error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reason = reason
	close(r.ended)
	if r.expires != nil {
		r.expires.Stop()
		r.expires = nil
	}
}

package policy

import (
	"maps"
	"sync"
	"time"

	"visor/capture"
	"visor/handler"
)

// Running is a policy that runs: its handlers, once for each of its taps. It is safe for concurrent
// use; its fields do not change.
type Running struct {
	Policy Policy
	Parts  []Part

	lease   time.Duration // 0 of a policy that stays
	mu      sync.Mutex    // guards expires
	expires *time.Timer
}

// Part is what a policy does with one tap.
type Part struct {
	Tap     Tap    // as it was when the policy started
	Input   string // name of the input
	Group   *handler.Group
	Modules []Module // with their names in Group, and all that their tables were merged of

	input *input
}

// Source tells what feeds a Part.
type Source struct {
	Type     string
	Config   Options // of the tap, the policy's laid over it
	Facts    Options // of the input, beside its configuration
	Policies int     // that it feeds
	Running  bool    // it has not come to its end, and is not down
}

// Source tells what feeds the part now.
func (p *Part) Source() Source {
	p.input.mu.Lock()
	defer p.input.mu.Unlock()
	s := Source{Type: p.Tap.InputType, Config: maps.Clone(p.input.config), Facts: maps.Clone(p.input.facts), Policies: p.input.policies, Running: p.input.running()}
	if own := p.input.pipeline.HostNets(); own != nil && s.Facts[hostIPs] != nil {
		s.Facts[hostIPs] = shownNets(own)
	}
	if p.input.collects {
		s.Facts = Options{"packet_errors": p.input.pipeline.Account().Undecodable}
	}
	return s
}

// Account says what became of the frames of the part's input, which other policies may share.
func (p *Part) Account() handler.Account { return p.input.pipeline.Account() }

// Reasons returns why frames of the input were not analysed, see [handler.Pipeline.Reasons].
func (p *Part) Reasons() []capture.Reason { return p.input.pipeline.Reasons() }

// Outage returns when the input was down, of a live one.
func (p *Part) Outage() Outage {
	if p.input.again == nil {
		return Outage{}
	}
	return p.input.again.state()
}

// Span returns the times of the earliest and the latest frame of the input.
func (p *Part) Span() handler.Span { return p.input.pipeline.Span() }

// ClockSteps returns how often the clock was put while the input ran live.
func (p *Part) ClockSteps() uint64 { return p.input.pipeline.ClockSteps() }

// Ended is closed when the input has come to its end: that of a recording when all of it was
// counted.
func (p *Part) Ended() <-chan struct{} { return p.input.ended }

// Live reports whether the input is live. A recording is read once, from the start of the first
// policy that uses it on.
func (p *Part) Live() bool { return p.input.live }

// Bucket returns the metrics of one period, see [handler.Group.Bucket], of the handlers of all
// taps.
func (r *Running) Bucket(n int) (*handler.Snapshot, error) {
	return r.collect(func(g *handler.Group) (*handler.Snapshot, error) { return g.Bucket(n) })
}

// Window returns the metrics of the n newest periods, see [handler.Group.Window], of the handlers
// of all taps.
func (r *Running) Window(n int) (*handler.Snapshot, error) {
	return r.collect(func(g *handler.Group) (*handler.Snapshot, error) { return g.Window(n) })
}

// Latest returns what monitoring is shown: the last period that has ended, or the running one while
// there is no other.
func (r *Running) Latest() (*handler.Snapshot, error) {
	if s, err := r.Bucket(1); err == nil {
		return s, nil
	}
	return r.Bucket(0)
}

// collect asks the parts, and makes one answer of theirs.
func (r *Running) collect(ask func(*handler.Group) (*handler.Snapshot, error)) (*handler.Snapshot, error) {
	out := &handler.Snapshot{}
	for i := range r.Parts {
		s, err := ask(r.Parts[i].Group)
		if err != nil {
			return nil, err
		}
		out.Modules, out.Window = append(out.Modules, s.Modules...), s.Window
	}
	if !r.Policy.Merge {
		return out, nil
	}
	merged, err := mergeLike(out.Modules)
	out.Modules = merged
	return out, err
}

// mergeLike makes one module of all that are of one type and version: where the reference compares
// either, and merges what does not fit (its grouping fails for three kinds of handler), both must
// be equal.
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
		sum, err := handler.Join(alike[k][0].Schema+"_merged", alike[k]...)
		if err != nil {
			return nil, err
		}
		out = append(out, sum)
	}
	return out, nil
}

// Renew lets the lease of a policy begin anew. Policies without a lease, and those that are over,
// stay as they are.
func (r *Running) Renew() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.expires != nil && r.expires.Stop() {
		r.expires.Reset(r.lease)
	}
}

// expire has over called when the lease is over.
func (r *Running) expire(over func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lease > 0 {
		r.expires = time.AfterFunc(r.lease, over)
	}
}

// end ends the lease.
func (r *Running) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.expires != nil {
		r.expires.Stop()
		r.expires = nil
	}
}

package policy

import (
	"sync"

	"visor/handler"
)

// closing passes the closed periods of a policy on. The periods of several taps become one
// snapshot, although inputs need not start in the same second.
type closing struct {
	policy *Policy
	closed func(policy string, s *handler.Snapshot)

	mu    sync.Mutex
	parts []*handler.Snapshot // the period of each part that is not yet passed on; nil without one
}

// newClosing returns nil if the periods of a policy are not passed on: nothing receives them, or
// the policy has a lease.
func (m *Manager) newClosing(p *Policy, parts int) *closing {
	if m.cfg.Closed == nil || p.Lease > 0 {
		return nil
	}
	return &closing{policy: p, closed: m.cfg.Closed, parts: make([]*handler.Snapshot, parts)}
}

// receiver returns the receiver of a part's closed periods, or nil if the part has none: its input
// is a recording, or a handler keeps one period.
func (c *closing) receiver(part int, in *input, handlers []handler.Handler) func(*handler.Snapshot) {
	if c == nil || !in.live {
		return nil
	}
	for _, h := range handlers {
		if h.Info().Periods < 2 {
			return nil
		}
	}
	return func(s *handler.Snapshot) { c.add(part, s) }
}

// add receives a closed period of a part.
func (c *closing) add(part int, s *handler.Snapshot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.parts[part] != nil { // another part is late or has ended
		c.pass()
	}
	c.parts[part] = s
	for _, p := range c.parts {
		if p == nil {
			return
		}
	}
	c.pass()
}

// end passes the last periods on.
func (c *closing) end() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pass()
}

// pass passes the periods of all parts on. The caller holds mu.
func (c *closing) pass() {
	out := &handler.Snapshot{}
	for i, p := range c.parts {
		if p != nil {
			out.Modules, out.Period = append(out.Modules, p.Modules...), p.Period
			out.Input.Add(p.Input)
		}
		c.parts[i] = nil
	}
	if c.policy.Merge {
		if merged, err := mergeLike(out.Modules); err == nil {
			out.Modules = merged
		}
	}
	if len(out.Modules) > 0 {
		c.closed(c.policy.Name, out)
	}
}

// both returns a function that calls the functions that are not nil, or nil without any.
func both(a, b func(*handler.Snapshot)) func(*handler.Snapshot) {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func(s *handler.Snapshot) { a(s); b(s) }
}

package policy

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"syscall"
)

// StartErrors holds the reasons why policies of a document did not start: one error each.
type StartErrors []error

func (e StartErrors) Error() string { return errors.Join(e...).Error() }

// Unwrap returns the errors.
func (e StartErrors) Unwrap() []error { return e }

// orNil returns e as an error, or nil without errors.
func (e StartErrors) orNil() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// choiceError is an error about the taps of a policy. Its text is pktvisor's and does not name the
// policy.
type choiceError struct{ error }

// Unwrap returns the error.
func (e choiceError) Unwrap() error { return e.error }

// of adds the name of a policy to an error without it.
func of(p *Policy, err error) error {
	if _, nameless := errors.AsType[choiceError](err); nameless {
		return fmt.Errorf("policy [%s]: %w", p.Name, err)
	}
	return err
}

// Load adds the taps, the defaults of handlers and the policies of a document. If a policy cannot
// start, the others still do, and Load returns [StartErrors]. Any other error concerns taps or
// defaults, and stops Load at once.
func (m *Manager) Load(doc *Document) error {
	for _, t := range doc.Taps {
		if err := m.AddTap(t); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range doc.Taps {
		m.loaded.taps = append(m.loaded.taps, t.Name)
	}
	for _, g := range doc.Global {
		if _, exists := m.global[g.Type]; exists {
			return existsGlobal(g.Type)
		}
		m.global[g.Type] = g.Config
	}
	var errs StartErrors
	for _, p := range doc.Policies {
		_, err := m.add(p)
		if err != nil {
			errs = append(errs, of(&p, err))
		}
		if !errors.Is(err, ErrExists) {
			m.loaded.policies = append(m.loaded.policies, p.Name)
		}
	}
	return errs.orNil()
}

// checkNames returns an error about a tap or a default that a document has twice.
func (d *Document) checkNames() error {
	for i := range d.Taps {
		if slices.ContainsFunc(d.Taps[:i], func(t Tap) bool { return t.Name == d.Taps[i].Name }) {
			return existsTap(d.Taps[i].Name)
		}
	}
	for i := range d.Global {
		if slices.ContainsFunc(d.Global[:i], func(g Global) bool { return g.Type == d.Global[i].Type }) {
			return existsGlobal(d.Global[i].Type)
		}
	}
	return nil
}

// Reload applies the difference between the loaded documents and doc. Policies missing in it end,
// and new ones start. Policies are replaced if the policy, one of its taps, or a default of its
// handlers has changed. All others continue undisturbed, including those added by AddTap and
// AddPolicy, unless a tap has another section anonymize: it applies to all policies. A problem of
// one policy does not affect the others. The old version continues, and Reload returns
// [StartErrors]. Any other error concerns taps or defaults, and nothing has changed.
func (m *Manager) Reload(doc *Document) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := doc.checkNames(); err != nil {
		return err
	}
	m.reloadTaps(doc.Taps)
	clear(m.global)
	for _, g := range doc.Global {
		m.global[g.Type] = g.Config
	}
	names := make([]string, 0, len(doc.Policies))
	for _, p := range doc.Policies {
		names = append(names, p.Name)
	}
	for _, name := range m.loaded.policies {
		if r := m.policies.all()[name]; r != nil && !slices.Contains(names, name) {
			m.remove(r, errRemoved)
		}
	}
	m.loaded.policies = names
	errs := m.reloadPolicies(doc.Policies)
	for _, r := range m.Policies() {
		if slices.Contains(names, r.Policy.Name) || r != m.policies.all()[r.Policy.Name] || !m.shownAnew(r) {
			continue
		}
		if _, err := m.replace(r.Policy); err != nil {
			errs = append(errs, of(&r.Policy, err))
		}
	}
	return errs.orNil()
}

// reloadPolicies starts or replaces the policies that differ. One whose socket another one has not
// left yet is tried again after the others. What then still waits is replaced together.
func (m *Manager) reloadPolicies(all []Policy) (errs StartErrors) {
	var waiting []Policy
	for _, p := range all {
		if slices.ContainsFunc(waiting, func(other Policy) bool { return other.Name == p.Name }) {
			errs = append(errs, existsPolicy(p.Name))
		} else {
			waiting = append(waiting, p)
		}
	}
	waiting = slices.DeleteFunc(waiting, m.runs)
	for {
		var again []Policy
		var busy []error
		for _, p := range waiting {
			_, err := m.swap(p)
			switch {
			case errors.Is(err, syscall.EADDRINUSE):
				again, busy = append(again, p), append(busy, err)
			case err != nil:
				errs = append(errs, of(&p, err))
			}
		}
		if len(again) < len(waiting) {
			waiting = again
			continue
		}
		for i, err := range m.replaceTogether(again, busy) {
			if err != nil {
				errs = append(errs, of(&again[i], err))
			}
		}
		return errs
	}
}

// shownAnew reports whether a tap of a running policy has another section anonymize by now. A
// drill-down follows its original.
func (m *Manager) shownAnew(r *Running) bool {
	return !r.measures && r.Policy.Original == "" && slices.ContainsFunc(r.Parts, func(part Part) bool {
		t, ok := m.taps.all()[part.Tap.Name]
		return ok && !reflect.DeepEqual(t.Anonymize, part.Tap.Anonymize)
	})
}

func (m *Manager) reloadTaps(taps []Tap) {
	m.taps.change(func(all map[string]Tap) {
		for _, name := range m.loaded.taps {
			delete(all, name)
		}
		m.loaded.taps = nil
		for _, t := range taps {
			all[t.Name] = t
			m.loaded.taps = append(m.loaded.taps, t.Name)
		}
	})
}

// runs reports whether a policy runs with the same configuration as p.
func (m *Manager) runs(p Policy) bool {
	r := m.policies.all()[p.Name]
	if r == nil || !reflect.DeepEqual(r.Policy, p) {
		return false
	}
	parts, err := m.plan(&p)
	return err == nil && slices.EqualFunc(parts, r.Parts, func(a, b Part) bool {
		return a.Input == b.Input && reflect.DeepEqual(a.Tap, b.Tap) && reflect.DeepEqual(a.Modules, b.Modules)
	})
}

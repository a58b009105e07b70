package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
)

// ReplacePolicy starts a policy in place of the one with the same name, if any. One of the two runs
// at any moment, and on an error the old one continues. Only if both need exclusive use of the same
// socket, the old one ends first. It is restarted if the new one fails.
func (m *Manager) ReplacePolicy(p Policy) (*Running, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.replace(p)
}

func (m *Manager) replace(p Policy) (*Running, error) {
	_, err := m.swap(p)
	if errors.Is(err, syscall.EADDRINUSE) {
		err = m.replaceTogether([]Policy{p}, []error{err})[0]
	}
	if err != nil {
		return nil, err
	}
	return m.policies.all()[p.Name], nil
}

// swap replaces a policy without a gap. It fails if both need exclusive use of the same socket.
func (m *Manager) swap(p Policy) (*Running, error) {
	former := m.policies.all()[p.Name]
	if former != nil && former.measures {
		return nil, existsError("policy with name '" + p.Name + "' measures an input")
	}
	r, err := m.begin(p, former)
	if err != nil {
		return nil, err
	}
	m.follow(r, former)
	if former != nil {
		m.finish(former, errReplaced)
	}
	return r, nil
}

// follow makes r visible. It continues the counts of the former policy, which may be nil.
func (m *Manager) follow(r, former *Running) {
	if former != nil {
		former.hand(r)
	}
	m.show(r)
}

// replaceTogether replaces policies that failed to swap because sockets are in use. First all the
// former ones end, since they may share an input. It returns the errors that remain, one for each
// policy. The former policies of these are restarted.
func (m *Manager) replaceTogether(all []Policy, errs []error) []error {
	formers := make([]*Running, len(all))
	for i := range all {
		formers[i] = m.policies.all()[all[i].Name]
	}
	if !m.frees(formers) {
		return errs
	}
	for _, former := range formers {
		if former != nil {
			m.remove(former, errReplaced)
		}
	}
	errs = make([]error, len(all))
	for i := range all {
		r, err := m.begin(all[i], nil)
		if err == nil {
			m.follow(r, formers[i])
		}
		errs[i] = err
	}
	for i, former := range formers {
		if errs[i] == nil || former == nil {
			continue
		}
		again, err := m.restart(former)
		if err == nil {
			m.follow(again, former)
		}
		errs[i] = errors.Join(errs[i], err)
	}
	return errs
}

// frees reports whether an input ends with these policies, and with their drill-downs.
func (m *Manager) frees(ending []*Running) bool {
	users := make(map[*input]int)
	for _, r := range m.Policies() {
		ends := slices.ContainsFunc(ending, func(e *Running) bool {
			return e != nil && (e == r || e.Policy.Name == r.Policy.Original)
		})
		for i := range r.Parts {
			if in := r.Parts[i].input; ends {
				if users[in]++; users[in] == in.policies {
					return true
				}
			}
		}
	}
	return false
}

// restart starts a policy that has ended as it was, whatever its taps are by now.
func (m *Manager) restart(former *Running) (*Running, error) {
	var parts []Part
	for i := range former.Parts {
		p := &former.Parts[i]
		parts = append(parts, Part{Tap: p.Tap, Input: p.Input, Modules: p.Modules})
	}
	return m.run(former.Policy, parts, nil)
}

// occupied adds the policies that have the socket of a tap to an error about it.
func (m *Manager) occupied(name string, parts []Part, err error) error {
	var names []string
	for _, r := range m.Policies() {
		for i := range parts {
			other := r.part(parts[i].Tap.Name)
			if !r.measures && r.Policy.Name != name && other != nil && other.Input != parts[i].Input {
				names = append(names, "'"+r.Policy.Name+"'")
			}
		}
	}
	if names == nil {
		return err
	}
	return fmt.Errorf("%w; the tap is in use with another configuration or filter by %s", err, strings.Join(slices.Compact(names), ", "))
}

package policy

import (
	"errors"
	"fmt"
)

// Reasons why policies end, see [Running.Reason].
var (
	errRemoved  = errors.New("it was removed")
	errReplaced = errors.New("it was replaced")
	errExpired  = errors.New("its lease has expired")
	errClosed   = errors.New("the program ends")
	errNotBegun = errors.New("it could not start")
)

// checkOriginal returns an error if a policy that begins has no original, or one that shows
// addresses in another way: it may have been replaced after a look at it.
func (m *Manager) checkOriginal(r *Running) error {
	if r.Policy.Original == "" {
		return nil
	}
	of := m.policies.all()[r.Policy.Original]
	if of == nil {
		return fmt.Errorf("%w: policy '%s' does not exist", ErrOriginal, r.Policy.Original)
	}
	if err := r.unlike(of); err != nil {
		return fmt.Errorf("%w: %w", ErrOriginal, err)
	}
	return nil
}

// unlike returns an error if r shows the addresses of a tap in another way than its original.
func (r *Running) unlike(of *Running) error {
	for i := range r.Parts {
		part := of.part(r.Parts[i].Tap.Name)
		switch {
		case part == nil:
			return fmt.Errorf("policy '%s' does not use tap '%s' now", of.Policy.Name, r.Parts[i].Tap.Name)
		case !part.Anonymize.Equal(r.Parts[i].Anonymize):
			return fmt.Errorf("policy '%s' shows addresses in another way now", of.Policy.Name)
		}
	}
	return nil
}

// part returns the part of a tap, or nil without it.
func (r *Running) part(tap string) *Part {
	for i := range r.Parts {
		if r.Parts[i].Tap.Name == tap {
			return &r.Parts[i]
		}
	}
	return nil
}

// endDrilldowns ends the policies whose original has this name, if they show addresses in another
// way than of does, which has the name now. It ends all if of is nil.
func (m *Manager) endDrilldowns(name string, of *Running) {
	for _, r := range m.Policies() {
		if r.Policy.Original != name {
			continue
		}
		reason := fmt.Errorf("policy '%s' has ended", name)
		if of != nil {
			reason = r.unlike(of)
		}
		if reason != nil {
			m.cfg.Logger.Info(fmt.Sprintf("policy [%s]: %v", r.Policy.Name, reason))
			m.remove(r, reason)
		}
	}
}

package policy

import (
	"maps"
	"sync/atomic"
)

// registry is a map by name that is replaced as a whole, so that reading it needs no lock. It has
// one writer at a time.
type registry[V any] struct {
	current atomic.Pointer[map[string]V]
}

// all returns the current map. It must not be modified.
func (r *registry[V]) all() map[string]V {
	if m := r.current.Load(); m != nil {
		return *m
	}
	return nil
}

// change replaces the map with a copy that f has modified.
func (r *registry[V]) change(f func(m map[string]V)) {
	m := make(map[string]V, len(r.all())+1)
	maps.Copy(m, r.all())
	f(m)
	r.current.Store(&m)
}

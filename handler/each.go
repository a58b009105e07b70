package handler

import (
	"iter"
	"maps"
	"slices"

	"visor/sketch"
)

// Each holds metrics M for each of several subjects, which come into being when they are first asked for: directions, devices,
// targets. In JSON each is an object named after its subject, below the field's path; in Prometheus it is a label, which the tag
// label names. Within the metrics of another Each, the label is of both names with a bar in between.
//
// An Each keeps what it is given: the handler bounds their number. The zero Each in a struct of metrics is ready to use.
type Each[M any] struct {
	schema  *Schema[M]
	seconds *sketch.Seconds       // that events count in
	parts   map[string]*bucket[M] // those that have begun are in use; the others wait for their subject to come again
	used    int
	free    []*bucket[M] // for subjects to come
}

// At returns the metrics of a subject. They are valid until the period ends.
func (e *Each[M]) At(name string) *M { return &e.part(name).Metrics }

func (e *Each[M]) part(name string) *bucket[M] {
	p := e.parts[name]
	if p == nil {
		p = e.spare()
		if e.parts == nil {
			e.parts = make(map[string]*bucket[M])
		}
		e.parts[name] = p
	}
	if !p.begun {
		p.begun = true
		e.used++
	}
	return p
}

func (e *Each[M]) spare() *bucket[M] {
	last := len(e.free) - 1
	if last < 0 {
		return e.schema.newPart(e.seconds)
	}
	p := e.free[last]
	e.free = e.free[:last]
	return p
}

// Find returns the metrics of a subject, or nil if there are none.
func (e *Each[M]) Find(name string) *M {
	if p := e.parts[name]; p != nil && p.begun {
		return &p.Metrics
	}
	return nil
}

// Len returns the number of subjects.
func (e *Each[M]) Len() int { return e.used }

// All yields the subjects in the order of their names.
func (e *Each[M]) All() iter.Seq2[string, *M] {
	return func(yield func(string, *M) bool) {
		for _, name := range slices.Sorted(maps.Keys(e.parts)) {
			if p := e.parts[name]; p.begun && !yield(name, &p.Metrics) {
				return
			}
		}
	}
}

// Reset forgets all subjects and keeps their memory: for the same subjects if they come in the next period, whose lists are as
// long then, and for any after that.
func (e *Each[M]) Reset() {
	for name, p := range e.parts {
		if !p.begun {
			e.drop(name, p)
			continue
		}
		p.Reset()
	}
	e.used = 0
}

// drop makes the memory of a subject that is not in use free for others.
func (e *Each[M]) drop(name string, p *bucket[M]) {
	delete(e.parts, name)
	e.free = append(e.free, p)
}

func (e *Each[M]) mergeFrom(src state) {
	for name, p := range src.(*Each[M]).parts {
		if p.begun {
			e.part(name).Merge(p)
		}
	}
}

func (e *Each[M]) copyFrom(src state) {
	e.Reset()
	for name, p := range src.(*Each[M]).parts {
		if p.begun {
			e.part(name).copyFrom(p)
		}
	}
}

// set is an Each of any metrics.
type set interface {
	state
	// declare returns the *Schema of the metrics of each subject.
	declare(key string, names GroupNames) (any, error)
	// bind gives the set that schema, and the time that events count in.
	bind(schema any, seconds *sketch.Seconds)
	// declared returns the metrics of each subject.
	declared() []Field
	// appendValues appends the values of all subjects, which are found at path and told apart by label.
	appendValues(dst []Value, groups GroupSet, path []string, labels []Label, label string, r rendering) []Value
}

var _ set = (*Each[struct{}])(nil)

func (e *Each[M]) declare(key string, names GroupNames) (any, error) { return NewSchema[M](key, names) }

func (e *Each[M]) bind(schema any, seconds *sketch.Seconds) {
	e.schema, e.seconds = schema.(*Schema[M]), seconds
}

func (e *Each[M]) declared() []Field { return e.schema.Fields() }

func (e *Each[M]) appendValues(dst []Value, groups GroupSet, path []string, labels []Label, label string, r rendering) []Value {
	for _, name := range slices.Sorted(maps.Keys(e.parts)) {
		if !e.parts[name].begun {
			continue
		}
		value := name
		if len(labels) > 0 {
			value = labels[len(labels)-1].Value + "|" + name
		}
		own := append(labels[:len(labels):len(labels)], Label{label, value})
		dst = e.schema.appendValues(dst, e.parts[name], groups, append(path[:len(path):len(path)], name), own, r)
	}
	return dst
}

package handler

import (
	"iter"
	"maps"
	"slices"

	"visor/sketch"
)

// Each holds metrics M for each of several subjects, which come into being when they are first
// asked for: directions, devices, targets. In JSON each is an object named after its subject, below
// the field's path; in Prometheus it is a label, which the tag label names. Within the metrics of
// another Each, the label is of both names with a bar in between.
//
// An Each keeps what it is given: the handler bounds their number. The zero Each in a struct of
// metrics is ready to use.
type Each[M any] struct {
	schema  *Schema[M]
	seconds *sketch.Seconds       // that events count in
	parts   map[string]*bucket[M] // those that have begun are in use; the others wait for their subject to come again
	used    int
}

// At returns the metrics of a subject. They are valid until the period ends.
func (e *Each[M]) At(name string) *M {
	p := e.part(name)
	p.periods = max(p.periods, 1)
	return &p.Metrics
}

func (e *Each[M]) part(name string) *bucket[M] {
	p := e.parts[name]
	if p == nil {
		p = e.schema.newPart(e.seconds)
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

// Find returns the metrics of a subject, or nil if there are none.
func (e *Each[M]) Find(name string) *M {
	if p := e.parts[name]; p != nil && p.begun {
		return &p.Metrics
	}
	return nil
}

// Len returns the number of subjects.
func (e *Each[M]) Len() int { return e.used }

// Periods returns how many periods the metrics of a subject are made of. A period counts once for
// each worker that met the subject in it.
func (e *Each[M]) Periods(name string) int {
	if p := e.parts[name]; p != nil && p.begun {
		return p.periods
	}
	return 0
}

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

// Fold adds the metrics of a subject to those of another and forgets the subject, with its memory.
func (e *Each[M]) Fold(name, into string) {
	p := e.parts[name]
	if p == nil || !p.begun || name == into {
		return
	}
	e.part(into).Merge(p)
	delete(e.parts, name)
	e.used--
}

// Reset forgets all subjects and keeps their memory for the same subjects, which often come in the
// next period and have lists as long then. Memory of subjects that did not come is let go.
func (e *Each[M]) Reset() {
	for name, p := range e.parts {
		if !p.begun {
			delete(e.parts, name)
			continue
		}
		p.Reset()
	}
	e.used = 0
}

// Trim lets go of memory that waits for subjects to come.
func (e *Each[M]) Trim() {
	for name, p := range e.parts {
		if !p.begun {
			delete(e.parts, name)
		}
	}
}

// Refused returns what the lists of all subjects have refused.
func (e *Each[M]) Refused() (n uint64) {
	for _, p := range e.parts {
		n += p.refused()
	}
	return n
}

// Size returns the memory of all subjects, in bytes; see SizeOf.
func (e *Each[M]) Size() (n int) {
	for name := range e.parts {
		n += e.SizeOf(name)
	}
	return n
}

// SizeOf returns the memory of a subject, in bytes: what waits for it if it has not come yet, and 0
// if that is nothing. Lists and cardinalities count, of other metrics the fields alone.
func (e *Each[M]) SizeOf(name string) int {
	p := e.parts[name]
	if p == nil {
		return 0
	}
	return p.size() + len(name) + subjectBytes
}

// subjectBytes is what a subject takes in the map of subjects, about.
const subjectBytes = 64

func (e *Each[M]) mergeFrom(src state) {
	for name, p := range src.(*Each[M]).parts {
		if p.begun {
			e.part(name).Merge(p)
		}
	}
}

func (e *Each[M]) mergeKeys(src state) {
	for name, p := range src.(*Each[M]).parts {
		if p.begun {
			e.part(name).mergeKeys(p)
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
	// appendValues appends the values of all subjects, which are found at path and told apart by
	// label.
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

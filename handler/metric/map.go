package metric

import (
	"iter"
	"maps"
	"slices"

	"visor/sketch"
)

// Map holds a set of metrics M for each subject, such as a direction, device or target. It creates
// the set on the first use. In JSON the metrics of a subject are an object named after the subject,
// below the field's path. In Prometheus the subject is a label, which the tag label names. Within
// the metrics of another Map, the label has both names with a bar between them.
//
// A Map never evicts: the handler must bound the number of subjects. The zero Map in a struct of
// metrics is ready to use.
type Map[M any] struct {
	schema  *Schema[M]
	seconds *sketch.Seconds // that events count in
	// those that have begun are in use; the others wait for their subject to come again
	parts map[string]*Set[M]
	used  int
}

// At returns the metrics of a subject. They are valid until the period ends.
func (e *Map[M]) At(name string) *M {
	p := e.part(name)
	p.periods = max(p.periods, 1)
	return &p.Metrics
}

func (e *Map[M]) part(name string) *Set[M] {
	p := e.parts[name]
	if p == nil {
		p = e.schema.newPart(e.seconds)
		if e.parts == nil {
			e.parts = make(map[string]*Set[M])
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
func (e *Map[M]) Find(name string) *M {
	if p := e.parts[name]; p != nil && p.begun {
		return &p.Metrics
	}
	return nil
}

// Len returns the number of subjects.
func (e *Map[M]) Len() int { return e.used }

// Periods returns how many periods the metrics of a subject are made of. A period counts once for
// each worker that met the subject in it.
func (e *Map[M]) Periods(name string) int {
	if p := e.parts[name]; p != nil && p.begun {
		return p.periods
	}
	return 0
}

// All yields the subjects in the order of their names.
func (e *Map[M]) All() iter.Seq2[string, *M] {
	return func(yield func(string, *M) bool) {
		for _, name := range slices.Sorted(maps.Keys(e.parts)) {
			if p := e.parts[name]; p.begun && !yield(name, &p.Metrics) {
				return
			}
		}
	}
}

// Fold adds the metrics of a subject to those of another and forgets the subject, with its memory.
func (e *Map[M]) Fold(name, into string) {
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
func (e *Map[M]) Reset() {
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
func (e *Map[M]) Trim() {
	for name, p := range e.parts {
		if !p.begun {
			delete(e.parts, name)
		}
	}
}

// Refused returns what the lists of all subjects have refused.
func (e *Map[M]) Refused() (n uint64) {
	for _, p := range e.parts {
		n += p.Refused()
	}
	return n
}

// Size returns the memory of all subjects, in bytes; see SizeOf.
func (e *Map[M]) Size() (n int) {
	for name := range e.parts {
		n += e.SizeOf(name)
	}
	return n
}

// SizeOf returns the memory of a subject, in bytes: what waits for it if it has not come yet, and 0
// if that is nothing. Lists and cardinalities count, of other metrics the fields alone.
func (e *Map[M]) SizeOf(name string) int {
	p := e.parts[name]
	if p == nil {
		return 0
	}
	return p.size() + len(name) + subjectBytes
}

// subjectBytes is what a subject takes in the map of subjects, about.
const subjectBytes = 64

func (e *Map[M]) mergeFrom(src state) {
	for name, p := range src.(*Map[M]).parts {
		if p.begun {
			e.part(name).Merge(p)
		}
	}
}

func (e *Map[M]) mergeKeys(src state) {
	for name, p := range src.(*Map[M]).parts {
		if p.begun {
			e.part(name).MergeKeys(p)
		}
	}
}

func (e *Map[M]) copyFrom(src state) {
	e.Reset()
	for name, p := range src.(*Map[M]).parts {
		if p.begun {
			e.part(name).CopyFrom(p)
		}
	}
}

// bySubject is a Map of any metrics.
type bySubject interface {
	state
	// declare returns the *Schema of the metrics of each subject.
	declare(key string, names GroupNames) (any, error)
	// bind sets that schema, and the time that events count in.
	bind(schema any, seconds *sketch.Seconds)
	// declared returns the metrics of each subject.
	declared() []Field
	// appendValues appends the values of all subjects, which are found at path and told apart by
	// label.
	appendValues(dst []Value, groups GroupSet, path []string, labels []Label, label string, r Rendering) []Value
}

var _ bySubject = (*Map[struct{}])(nil)

func (e *Map[M]) declare(key string, names GroupNames) (any, error) { return NewSchema[M](key, names) }

func (e *Map[M]) bind(schema any, seconds *sketch.Seconds) {
	e.schema, e.seconds = schema.(*Schema[M]), seconds
}

func (e *Map[M]) declared() []Field { return e.schema.Fields() }

func (e *Map[M]) appendValues(dst []Value, groups GroupSet, path []string, labels []Label, label string, r Rendering) []Value {
	for _, name := range slices.Sorted(maps.Keys(e.parts)) {
		if !e.parts[name].begun {
			continue
		}
		value := name
		if len(labels) > 0 {
			value = labels[len(labels)-1].Value + "|" + name
		}
		own := append(labels[:len(labels):len(labels)], Label{label, value})
		dst = e.parts[name].appendValues(dst, groups, append(path[:len(path):len(path)], name), own, r)
	}
	return dst
}

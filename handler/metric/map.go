package metric

import (
	"cmp"
	"iter"
	"maps"
	"slices"

	"visor/sketch"
)

// Map holds a set of metrics M per subject, such as a direction, device or target. Sets are created
// on first use. In JSON the metrics of a subject are an object named after the subject, below the
// field's path. In Prometheus the subject is a label, named by the tag label. In a Map within
// another Map, the label has both names with a bar between them.
//
// Map never evicts; the handler must bound the number of subjects. The zero Map in a struct of
// metrics is ready to use.
type Map[M any] struct {
	schema  *Schema[M]
	seconds *sketch.Seconds // time in which events count
	// subjects of this period are in use; the others keep memory for their return
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

// Find returns the metrics of a subject, or nil without any.
func (e *Map[M]) Find(name string) *M {
	if p := e.parts[name]; p != nil && p.begun {
		return &p.Metrics
	}
	return nil
}

// Len returns the number of subjects.
func (e *Map[M]) Len() int { return e.used }

// Periods returns the number of periods merged into the metrics of a subject. A period counts once
// for each worker that saw the subject in it.
func (e *Map[M]) Periods(name string) int {
	if p := e.parts[name]; p != nil && p.begun {
		return p.periods
	}
	return 0
}

// All yields the subjects sorted by name.
func (e *Map[M]) All() iter.Seq2[string, *M] {
	return func(yield func(string, *M) bool) {
		for _, name := range slices.Sorted(maps.Keys(e.parts)) {
			if p := e.parts[name]; p.begun && !yield(name, &p.Metrics) {
				return
			}
		}
	}
}

// Fold adds the metrics of a subject to another's and removes the subject with its memory.
func (e *Map[M]) Fold(name, into string) {
	p := e.parts[name]
	if p == nil || !p.begun || name == into {
		return
	}
	e.part(into).Merge(p)
	delete(e.parts, name)
	e.used--
}

// FoldLeast folds all subjects except the most with the greatest weights into another one, which
// does not count. Of equal weights the first names stay, so that the order of merges does not
// matter.
func (e *Map[M]) FoldLeast(most int, into string, weight func(*M) uint64) {
	if e.used <= most {
		return
	}
	type subject struct {
		name   string
		weight uint64
	}
	var all []subject
	for name, m := range e.All() {
		if name != into {
			all = append(all, subject{name, weight(m)})
		}
	}
	slices.SortStableFunc(all, func(a, b subject) int { return cmp.Compare(b.weight, a.weight) })
	for _, s := range all[min(most, len(all)):] {
		e.Fold(s.name, into)
	}
}

// Reset removes all subjects. It keeps the memory of each for its return, because subjects often
// recur in the next period with lists as long. It releases the memory of subjects that did not
// occur in this period.
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

// Trim releases the memory kept for returning subjects.
func (e *Map[M]) Trim() {
	for name, p := range e.parts {
		if !p.begun {
			delete(e.parts, name)
		}
	}
}

// Refused returns the number of keys refused by the lists of all subjects.
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

// SizeOf returns the memory of a subject in bytes. For an absent subject it returns the memory kept
// for it, or 0. It includes lists and cardinalities. Of other metrics only the fields count.
func (e *Map[M]) SizeOf(name string) int {
	p := e.parts[name]
	if p == nil {
		return 0
	}
	return p.size() + len(name) + subjectBytes
}

// subjectBytes is the approximate size of a subject in the map.
const subjectBytes = 64

func (e *Map[M]) mergeFrom(src state) {
	for name, p := range src.(*Map[M]).parts {
		if p.begun {
			e.part(name).Merge(p)
		}
	}
}

// mergeKeys also merges an empty set into each subject that src lacks, which empties its
// cardinalities. The count of one host alone is not an answer.
func (e *Map[M]) mergeKeys(src state) {
	from := src.(*Map[M])
	for name, p := range e.parts {
		if p.begun && from.Find(name) == nil {
			p.MergeKeys(e.schema.newPart(e.seconds))
		}
	}
	for name, p := range from.parts {
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
	// bind sets that schema, and the time in which events count.
	bind(schema any, seconds *sketch.Seconds)
	// declared returns the metrics of each subject.
	declared() []Field
	// travel returns the metrics of enabled groups of all subjects. It borrows them.
	travel(groups GroupSet) *subjects
	// addTotals adds the totals of all subjects to the field.
	addTotals(s *tally, f *field)
	// load sets the subjects from those that were read, with metrics as declared.
	load(from *subjects, list []declared)
	// appendValues appends the values of all subjects. Their metrics are at path and are
	// distinguished by label.
	appendValues(dst []Value, groups GroupSet, path []string, labels []Label, label string, r Rendering) []Value
}

var _ bySubject = (*Map[struct{}])(nil)

func (e *Map[M]) declare(key string, names GroupNames) (any, error) { return NewSchema[M](key, names) }

func (e *Map[M]) bind(schema any, seconds *sketch.Seconds) {
	e.schema, e.seconds = schema.(*Schema[M]), seconds
}

func (e *Map[M]) declared() []Field { return e.schema.Fields() }

func (e *Map[M]) travel(groups GroupSet) *subjects {
	s := &subjects{parts: make(map[string]*part)}
	for name, p := range e.parts {
		if p.begun {
			s.parts[name] = p.travel(groups)
		}
	}
	return s
}

func (e *Map[M]) load(from *subjects, list []declared) {
	for name, p := range from.parts {
		e.part(name).load(list, p)
	}
}

func (e *Map[M]) appendValues(dst []Value, groups GroupSet, path []string, labels []Label, label string, r Rendering) []Value {
	for _, name := range slices.Sorted(maps.Keys(e.parts)) {
		if !e.parts[name].begun {
			continue
		}
		own := subjectLabels(labels, label, name)
		dst = e.parts[name].appendValues(dst, groups, append(path[:len(path):len(path)], name), own, r)
	}
	return dst
}

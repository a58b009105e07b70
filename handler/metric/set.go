package metric

import (
	"reflect"
	"unsafe"

	"visor/sketch"
)

// Set holds the metrics that a [Schema] declares, with their state. It is owned by one goroutine.
type Set[M any] struct {
	Metrics M

	schema  *Schema[M]
	list    []state         // the fields of Metrics, in the order of the schema
	seconds *sketch.Seconds // time in which events count; shared with the sets of subjects
	begun   bool            // it belongs to a subject and is in use
	periods int             // number of merged periods of a subject, counted per worker
}

// New returns an empty Set.
func (s *Schema[M]) New() *Set[M] { return s.newPart(new(sketch.Seconds)) }

// binder is a struct of metrics that must be initialized before use.
type binder interface{ Bind() }

// newPart returns a Set whose rates use the given time of events.
func (s *Schema[M]) newPart(seconds *sketch.Seconds) *Set[M] {
	b := &Set[M]{schema: s, list: make([]state, 0, len(s.fields)), seconds: seconds}
	if m, ok := any(&b.Metrics).(binder); ok {
		m.Bind()
	}
	v := reflect.ValueOf(&b.Metrics).Elem()
	for _, f := range s.fields {
		m := stateOf(v.FieldByIndex(f.index).Addr().Interface())
		switch m := m.(type) {
		case bySubject:
			m.bind(f.subjects, seconds)
		case rate:
			m.Within(seconds)
		}
		b.list = append(b.list, m)
	}
	return b
}

// Seconds returns the time covered by the rates. The owner sets it.
func (b *Set[M]) Seconds() *sketch.Seconds { return b.seconds }

// sized is a metric that has memory outside its fields.
type sized interface{ Size() int }

// size returns the memory of b, in bytes.
func (b *Set[M]) size() int {
	n := int(unsafe.Sizeof(*b)) + cap(b.list)*int(unsafe.Sizeof(b.list[0]))
	for _, m := range b.list {
		if s, ok := m.(sized); ok {
			n += s.Size()
		}
	}
	return n
}

// refuser is a metric that refuses some keys, because they share their hash with others.
type refuser interface{ Refused() uint64 }

// Refused returns the number of keys refused by the lists in b; see [sketch.TopK.Refused].
func (b *Set[M]) Refused() (n uint64) {
	for _, m := range b.list {
		if r, ok := m.(refuser); ok {
			n += r.Refused()
		}
	}
	return n
}

// Reset empties b and keeps its memory.
func (b *Set[M]) Reset() {
	for _, m := range b.list {
		m.Reset()
	}
	b.begun, b.periods = false, 0
}

// Merge adds src to b and leaves src unchanged. Both must have the same schema, and the same key
// must have hashed their keys.
func (b *Set[M]) Merge(src *Set[M]) {
	for i, m := range b.list {
		m.mergeFrom(src.list[i])
	}
	b.merged(src)
}

// MergeKeys is Merge for keys hashed under another key. It empties cardinalities, which lack keys
// to compare.
func (b *Set[M]) MergeKeys(src *Set[M]) {
	for i, m := range b.list {
		if h, ok := m.(hashed); ok {
			h.mergeKeys(src.list[i])
		} else {
			m.mergeFrom(src.list[i])
		}
	}
	b.merged(src)
}

func (b *Set[M]) merged(src *Set[M]) {
	b.periods += src.periods
	if b.schema.bound != nil {
		b.schema.bound(&b.Metrics)
	}
}

// CopyFrom makes b equal to src and reuses b's memory.
func (b *Set[M]) CopyFrom(src *Set[M]) {
	for i, m := range b.list {
		m.copyFrom(src.list[i])
	}
	b.begun, b.periods = src.begun, src.periods
}

// Values returns the metrics of enabled groups, in order of declaration.
func (b *Set[M]) Values(groups GroupSet, r Rendering) []Value {
	return b.appendValues(nil, groups, nil, nil, r)
}

// appendValues appends the values of b. The arguments path and labels name the subject of b, if
// any.
func (b *Set[M]) appendValues(dst []Value, groups GroupSet, path []string, labels []Label, r Rendering) []Value {
	for i, f := range b.schema.fields {
		if !groups.Has(f.groups) {
			continue
		}
		v := Value{
			Path: append(path[:len(path):len(path)], f.path...), SubjectLen: len(path), Labels: labels,
			Prom: f.prom, Help: f.help, Label: f.label, Float: f.float,
		}
		switch m := b.list[i].(type) {
		case bySubject:
			dst = m.appendValues(dst, groups, v.Path, labels, f.label, r)
		case metric:
			m.render(&v, r)
			left := r.Mixed && v.Kind == KindCardinality
			if !left && (!f.sparse || v.Int != 0) {
				dst = append(dst, v)
			}
		}
	}
	return dst
}

package metric

import (
	"maps"
	"slices"
	"strings"

	"visor/sketch/hash64"
)

// Record holds metrics with their declarations, as read from bytes. It merges and renders metrics
// that this program does not declare: metrics of other versions, and of other handlers. A program
// that declares the metrics gets its own struct from [Load].
//
// A Record is owned by one goroutine. The zero Record has no metrics and is ready to use.
type Record struct {
	fields []declared
	sum    part
	hashID hash64.ID // of the key that hashed the keys
	mixed  bool      // there were several
	hash   *hash64.Hasher
}

// declared is the declaration of a metric that travels.
type declared struct {
	Field
	wire wireKind
	keys keyKind    // of a list
	sub  []declared // of a Map: the metrics of each subject
	// two values did not merge, so that there is none; it stays out of later merges, too
	leftOut bool
	partial bool // only some of the merged records declare it
	own     bool // pktvisor lacks it; it travels with less detail
}

// part holds the values of a Record, or of a subject, by declaration. A value is nil, or beyond the
// end, if no record had it.
type part struct {
	values  []state
	periods int
}

// value returns the value of declaration i, which is d. It is nil if there is none.
func (p *part) value(i int, d *declared) state {
	if i >= len(p.values) || d.leftOut {
		return nil
	}
	return p.values[i]
}

// subjects is a Map that travels.
type subjects struct{ parts map[string]*part }

func (s *subjects) Reset()          { clear(s.parts) }
func (s *subjects) mergeFrom(state) {}
func (s *subjects) copyFrom(state)  {}

// unknown is a value of a kind, or of a version, that this program does not read.
type unknown struct {
	kind    wireKind
	version byte
	data    []byte
}

func (u *unknown) Reset()                       {}
func (u *unknown) mergeFrom(state)              {}
func (u *unknown) copyFrom(src state)           { *u = *src.(*unknown) }
func (u *unknown) render(v *Value, _ Rendering) { v.Kind = KindUnknown }

// key identifies a declaration beside others. Prometheus names are unique, but a Map has none.
func (d *declared) key() string {
	if d.wire == wireSubjects {
		return strings.Join(d.Path, ".") + " by " + d.Label
	}
	return d.Prom
}

// same reports whether d and other have the same key.
func (d *declared) same(other *declared) bool {
	if d.wire == wireSubjects || other.wire == wireSubjects {
		return d.key() == other.key()
	}
	return d.Prom == other.Prom
}

// finder finds declarations by key.
type finder struct {
	list  []declared
	index map[string]int // made when a place in the list is not enough
}

// find returns the position of d in the list, or -1. It looks at the place i first: mostly, lists
// have the same order.
func (f *finder) find(i int, d *declared) int {
	if len(f.list) == 0 {
		return -1
	}
	if i < len(f.list) && f.list[i].same(d) {
		return i
	}
	if f.index == nil {
		f.index = make(map[string]int, len(f.list))
		for k := range f.list {
			f.index[f.list[k].key()] = k
		}
	}
	if at, ok := f.index[d.key()]; ok {
		return at
	}
	return -1
}

// Fields returns the declared metrics, in order of declaration. They include metrics without a
// value.
func (r *Record) Fields() []Field { return fieldsOf(r.fields) }

func fieldsOf(list []declared) []Field {
	if len(list) == 0 {
		return nil
	}
	out := make([]Field, len(list))
	for i := range list {
		out[i] = list[i].Field
		out[i].Subjects = fieldsOf(list[i].sub)
	}
	return out
}

// LeftOut returns the Prometheus names of metrics without a value, because their values did not
// merge: cardinalities under different hash keys, and values of a kind that this program does not
// read.
func (r *Record) LeftOut() []string {
	return named(nil, r.fields, func(d *declared) bool { return d.leftOut })
}

// Partial returns the Prometheus names of metrics that only some of the merged records have. Their
// values cover only a part of the time or of the hosts.
func (r *Record) Partial() []string {
	return named(nil, r.fields, func(d *declared) bool { return d.partial })
}

func named(names []string, list []declared, is func(*declared) bool) []string {
	for i := range list {
		d := &list[i]
		switch {
		case is(d) && d.wire != wireSubjects:
			names = append(names, d.Prom)
		case is(d):
			names = named(names, d.sub, func(*declared) bool { return true })
		default:
			names = named(names, d.sub, is)
		}
	}
	return names
}

// Values returns the metrics of enabled groups, in order of declaration.
func (r *Record) Values(groups GroupSet, how Rendering) []Value {
	return r.sum.appendValues(nil, r.fields, groups, nil, nil, how)
}

func (p *part) appendValues(dst []Value, list []declared, groups GroupSet, path []string, labels []Label, r Rendering) []Value {
	for i := range list {
		d := &list[i]
		value := p.value(i, d)
		if !groups.Has(d.Groups) || value == nil {
			continue
		}
		v := Value{
			Path: append(path[:len(path):len(path)], d.Path...), SubjectLen: len(path), Labels: labels,
			Prom: d.Prom, Help: d.Help, Label: d.Label, Float: d.Float,
		}
		switch m := value.(type) {
		case *subjects:
			dst = m.appendValues(dst, d, groups, v.Path, labels, r)
		case metric:
			m.render(&v, r)
			if !d.Sparse || v.Int != 0 {
				dst = append(dst, v)
			}
		}
	}
	return dst
}

func (s *subjects) appendValues(dst []Value, d *declared, groups GroupSet, path []string, labels []Label, r Rendering) []Value {
	for _, name := range slices.Sorted(maps.Keys(s.parts)) {
		own := subjectLabels(labels, d.Label, name)
		dst = s.parts[name].appendValues(dst, d.sub, groups, append(path[:len(path):len(path)], name), own, r)
	}
	return dst
}

// subjectLabels returns the labels of a subject, whose label contains the names of outer subjects.
func subjectLabels(labels []Label, label, name string) []Label {
	if len(labels) > 0 {
		name = labels[len(labels)-1].Value + "|" + name
	}
	return append(labels[:len(labels):len(labels)], Label{label, name})
}

// Load returns the metrics of r that M declares, with the same names and kinds, or nil if M is not
// a declaration. Others have no value. key is the schema key. Hashes of lists do not travel, so the
// lists have others than those that this program counts: merge such lists by MergeKeys.
func Load[M any](key string, r *Record) *M {
	s, err := NewSchema[M](key, anyGroups)
	if err != nil {
		return nil
	}
	b := s.New()
	b.load(r.fields, &r.sum)
	return &b.Metrics
}

func (b *Set[M]) load(declarations []declared, p *part) {
	in := finder{list: declarations}
	for i, f := range b.schema.fields {
		at := in.find(i, &f.travels)
		if at < 0 {
			continue
		}
		value := p.value(at, &declarations[at])
		switch m := b.list[i].(type) {
		case bySubject:
			if from, ok := value.(*subjects); ok {
				m.load(from, declarations[at].sub)
			}
		case lister:
			if from, ok := value.(*list); ok && from.kind == m.keys() {
				m.load(from)
			}
		case traveller:
			if from, ok := value.(traveller); ok && from.wireKind() == m.wireKind() {
				m.copyFrom(from)
			}
		}
	}
	b.begun, b.periods = true, p.periods
}

// declare returns the declaration of a field without the metrics of its subjects.
func declare(f *field, m state) declared {
	d := declared{Field: Field{
		Path: f.path, Prom: f.prom, Help: f.help, Label: f.label, Float: f.float, Sparse: f.sparse, Groups: f.groups,
	}}
	switch m := m.(type) {
	case bySubject:
		d.wire = wireSubjects
	case lister:
		d.wire, d.keys = wireList, m.keys()
	case traveller:
		d.wire = m.wireKind()
	}
	d.Kind = d.wire.kind()
	return d
}

// kind returns the kind of metric that values of kind k make.
func (k wireKind) kind() Kind {
	switch k {
	case wireCounter, wireSubjects:
		return KindCounter
	case wireGauge, wireMin, wireMax, wireMean:
		return KindGauge
	case wireCardinality:
		return KindCardinality
	case wireQuantile:
		return KindQuantile
	case wireRate:
		return KindRate
	case wireHistogram, wireSizes, wireLengths:
		return KindHistogram
	case wireList, wireDistinctNames, wireDistinctClients:
		return KindTop
	}
	return KindUnknown
}

// Record returns the metrics of b in enabled groups. It borrows them until b changes. Metrics of
// groups in own travel with less detail; see [Record.AppendBinary].
func (b *Set[M]) Record(groups, own GroupSet) *Record {
	return &Record{fields: b.schema.travels(groups, own), sum: *b.travel(groups)}
}

// travel returns the values of metrics in enabled groups.
func (b *Set[M]) travel(groups GroupSet) *part {
	sum := &part{periods: b.periods}
	for i, f := range b.schema.fields {
		if !groups.Has(f.groups) {
			continue
		}
		m := b.list[i]
		if by, ok := m.(bySubject); ok {
			m = by.travel(groups)
		}
		sum.values = append(sum.values, m)
	}
	return sum
}

// inherit makes the metrics of each subject as own as d.
func (d *declared) inherit() {
	for i := range d.sub {
		d.sub[i].own = d.sub[i].own || d.own
		d.sub[i].inherit()
	}
}

// travels returns the declarations of metrics in enabled groups.
func (s *Schema[M]) travels(groups, own GroupSet) (list []declared) {
	for _, f := range s.fields {
		if !groups.Has(f.groups) {
			continue
		}
		d := f.travels
		d.own = f.groups&own != 0
		if m, ok := f.subjects.(interface {
			travels(groups, own GroupSet) []declared
		}); ok {
			d.sub = m.travels(groups, own)
			d.inherit()
		}
		list = append(list, d)
	}
	return list
}

package handler

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unsafe"

	"visor/sketch"
)

// Schema is the declaration of a handler's metrics, read once from the struct tags of M:
//
//	type Metrics struct {
//		Queries sketch.Counter     `metric:"wire_packets.queries,counters" help:"DNS queries"`
//		QName   sketch.Cardinality `metric:"cardinality.qname,cardinality" help:"distinct QNAMEs"`
//		Slow    handler.TopNames   `metric:"top_slow,counters+top_qnames" label:"qname" help:"slowest names"`
//	}
//
// The metric tag holds the JSON path below the schema key and, after the comma, the groups that must
// all be enabled; without a group the metric is always on. The tag label is the item label of a list,
// prom a Prometheus name that does not follow from schema key and path, and float:"true" marks
// quantiles of ratios. A counter with sparse:"true" is left out while it is 0. Fields without a metric tag belong to the handler alone.
//
// What is counted for each of several subjects is an [Each]. Metrics that differ in a word only are a struct of their own,
// used several times: its tags have words in braces, which the tag with gives, followed by groups that all of them need:
//
//	type Volume struct {
//		TCP sketch.Counter `metric:"{dir}_tcp_{unit},counters" help:"TCP traffic, {unit}"`
//	}
//	type Metrics struct {
//		InBytes    Volume `with:"dir=in unit=bytes,by_bytes"`
//		InPackets  Volume `with:"dir=in unit=packets,by_packets"`
//	}
type Schema[M any] struct {
	key    string
	fields []field
	bound  func(*M) // nil if nothing bounds the subjects of merged metrics
}

// Bound has f called with metrics after others were merged into them: of further periods, workers
// or modules. f folds subjects of an [Each] where they have become too many.
func (s *Schema[M]) Bound(f func(*M)) { s.bound = f }

type field struct {
	index  []int
	path   []string
	prom   string
	help   string
	label  string
	float  bool
	sparse bool
	groups GroupSet
	each   any // *Schema of the metrics of each subject, if the field is an Each
}

// NewSchema reads the declaration in M. The schema key is the JSON key and Prometheus prefix. It
// returns an error for a tag that names no known group, a name that Prometheus does not allow or that
// two metrics have, or a field that is no metric: a handler's own tests find these.
func NewSchema[M any](key string, names GroupNames) (*Schema[M], error) {
	s := &Schema[M]{key: key}
	d := declaration{key: key, names: names}
	if err := d.read(reflect.TypeFor[M](), strings.NewReplacer()); err != nil {
		return nil, err
	}
	s.fields = d.fields
	return s, unique(s.families())
}

// families returns the names of all metrics in Prometheus, those of subjects included.
func (s *Schema[M]) families() (names []string) {
	for _, f := range s.fields {
		if each, ok := f.each.(interface{ families() []string }); ok {
			names = append(names, each.families()...)
		} else {
			names = append(names, f.prom)
		}
	}
	return names
}

// unique returns an error if a name is there twice. A path of an [Each] is not in the names of its metrics: two metrics would be one
// family, in which the series of one lack the label of the other.
func unique(names []string) error {
	seen := make(map[string]bool)
	for _, name := range names {
		if seen[name] {
			return fmt.Errorf("handler: two metrics have the name %s in Prometheus; give one of them the tag prom", name)
		}
		seen[name] = true
	}
	return nil
}

// declaration collects the fields of a struct and of the structs in it.
type declaration struct {
	key    string
	names  GroupNames
	fields []field
	index  []int    // of the struct being read
	groups GroupSet // that it needs
}

func (d *declaration) read(t reflect.Type, words *strings.Replacer) error {
	for i := range t.NumField() {
		sf := t.Field(i)
		index := append(slices.Clone(d.index), i)
		if with, ok := sf.Tag.Lookup("with"); ok {
			if err := d.part(sf, index, with); err != nil {
				return err
			}
			continue
		}
		tag, ok := sf.Tag.Lookup("metric")
		if !ok {
			continue
		}
		f, err := d.field(sf, tag, words)
		if err != nil {
			return fmt.Errorf("handler: %s.%s: %w", t, sf.Name, err)
		}
		f.index = index
		d.fields = append(d.fields, f)
	}
	return nil
}

// part reads the metrics of a struct within the struct: with says what its words in braces stand for, and the groups that it
// needs.
func (d *declaration) part(sf reflect.StructField, index []int, with string) error {
	words, groups, _ := strings.Cut(with, ",")
	var pairs []string
	for word := range strings.FieldsSeq(words) {
		name, value, _ := strings.Cut(word, "=")
		pairs = append(pairs, "{"+name+"}", value)
	}
	g, err := d.names.parse(groups)
	if err != nil {
		return fmt.Errorf("handler: %s: %w", sf.Name, err)
	}
	sub := declaration{key: d.key, names: d.names, index: index, groups: d.groups | g}
	if err := sub.read(sf.Type, strings.NewReplacer(pairs...)); err != nil {
		return err
	}
	d.fields = append(d.fields, sub.fields...)
	return nil
}

func (d *declaration) field(sf reflect.StructField, tag string, words *strings.Replacer) (field, error) {
	path, groups, _ := strings.Cut(tag, ",")
	f := field{
		prom:   sf.Tag.Get("prom"),
		help:   words.Replace(sf.Tag.Get("help")),
		label:  sf.Tag.Get("label"),
		float:  sf.Tag.Get("float") == "true",
		sparse: sf.Tag.Get("sparse") == "true",
	}
	if path != "" {
		f.path = strings.Split(words.Replace(path), ".")
	}
	g, err := d.names.parse(groups)
	if err != nil {
		return f, err
	}
	f.groups = d.groups | g
	switch m := stateOf(reflect.New(sf.Type).Interface()).(type) {
	case nil:
		return f, fmt.Errorf("%s is not a metric", sf.Type)
	case set:
		f.each, err = m.declare(d.key, d.names)
		return f, err
	}
	if f.prom == "" {
		f.prom = d.key + "_" + strings.Join(f.path, "_")
	}
	if !validName(f.prom) {
		return f, fmt.Errorf("invalid metric name: %s", f.prom)
	}
	return f, nil
}

// Fields returns the declared metrics in their order.
func (s *Schema[M]) Fields() []Field {
	b := s.newBucket()
	out := make([]Field, 0, len(s.fields))
	for i, f := range s.fields {
		field := Field{Path: f.path, Prom: f.prom, Help: f.help, Label: f.label, Float: f.float, Sparse: f.sparse, Groups: f.groups}
		switch m := b.list[i].(type) {
		case set:
			field.Each = m.declared()
		case metric:
			var v Value
			m.render(&v, rendering{})
			field.Kind = v.Kind
		}
		out = append(out, field)
	}
	return out
}

// validName reports whether s matches [a-zA-Z_][a-zA-Z0-9_]*.
func validName(s string) bool {
	for i, c := range []byte(s) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// bucket is one period of one shard: the metrics, and the time that they cover.
type bucket[M any] struct {
	Metrics M
	list    []state         // the fields of Metrics, in the order of the schema
	begun   bool            // it is that of a subject, and in use
	periods int             // of a subject: how many it is made of, those of workers apart
	stretch stretch         // its time, unless it is that of a subject
	seconds *sketch.Seconds // that events count in; shared with the buckets of subjects
	frames  uint64          // seen
}

func (s *Schema[M]) newBucket() *bucket[M] { return s.newPart(new(sketch.Seconds)) }

// newPart returns a bucket whose rates take events of a time.
func (s *Schema[M]) newPart(seconds *sketch.Seconds) *bucket[M] {
	b := &bucket[M]{list: make([]state, 0, len(s.fields)), seconds: seconds}
	if m, ok := any(&b.Metrics).(binder); ok {
		m.Bind()
	}
	v := reflect.ValueOf(&b.Metrics).Elem()
	for _, f := range s.fields {
		m := stateOf(v.FieldByIndex(f.index).Addr().Interface())
		switch m := m.(type) {
		case set:
			m.bind(f.each, seconds)
		case rate:
			m.Within(seconds)
		}
		b.list = append(b.list, m)
	}
	return b
}

// sized is a metric that knows how much memory it has, in bytes, beside its fields.
type sized interface{ Size() int }

// size returns the memory of b, in bytes.
func (b *bucket[M]) size() int {
	n := int(unsafe.Sizeof(*b)) + cap(b.list)*int(unsafe.Sizeof(b.list[0]))
	for _, m := range b.list {
		if s, ok := m.(sized); ok {
			n += s.Size()
		}
	}
	return n
}

// refuser is a metric that cannot hold some keys: those that share their hash with others.
type refuser interface{ Refused() uint64 }

// refused returns what the lists in b have refused.
func (b *bucket[M]) refused() (n uint64) {
	for _, m := range b.list {
		if r, ok := m.(refuser); ok {
			n += r.Refused()
		}
	}
	return n
}

// Reset makes b an empty bucket and keeps its memory.
func (b *bucket[M]) Reset() {
	for _, m := range b.list {
		m.Reset()
	}
	b.begun, b.periods, b.stretch, b.frames = false, 0, stretch{}, 0
}

// Merge adds src to b and leaves src as it was.
func (b *bucket[M]) Merge(src *bucket[M]) {
	for i, m := range b.list {
		m.mergeFrom(src.list[i])
	}
	b.frames += src.frames
	b.periods += src.periods
}

// mergeKeys is Merge of a bucket whose hashes may be those of another key.
func (b *bucket[M]) mergeKeys(src *bucket[M]) {
	for i, m := range b.list {
		if h, ok := m.(hashed); ok {
			h.mergeKeys(src.list[i])
		} else {
			m.mergeFrom(src.list[i])
		}
	}
	b.frames += src.frames
}

// copyFrom makes b equal to src, in the memory that b has.
func (b *bucket[M]) copyFrom(src *bucket[M]) {
	for i, m := range b.list {
		m.copyFrom(src.list[i])
	}
	b.begun, b.periods, b.stretch, b.frames = src.begun, src.periods, src.stretch, src.frames
}

// appendValues appends what the fields of b show whose groups are enabled. path and labels are those of the subject that b is
// about, if it is about one.
func (s *Schema[M]) appendValues(dst []Value, b *bucket[M], groups GroupSet, path []string, labels []Label, r rendering) []Value {
	for i, f := range s.fields {
		if !groups.Has(f.groups) {
			continue
		}
		v := Value{Path: append(path[:len(path):len(path)], f.path...), Of: len(path), Labels: labels, Prom: f.prom, Help: f.help, Label: f.label, Float: f.float}
		switch m := b.list[i].(type) {
		case set:
			dst = m.appendValues(dst, groups, v.Path, labels, f.label, r)
		case metric:
			m.render(&v, r)
			left := r.mixed && v.Kind == KindCardinality
			if !left && (!f.sparse || v.Int != 0) {
				dst = append(dst, v)
			}
		}
	}
	return dst
}

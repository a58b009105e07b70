package metric

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Schema is the declaration of a handler's metrics, read once from the struct tags of M:
//
//	type Metrics struct {
//		Queries sketch.Counter     `metric:"wire_packets.queries,counters" help:"DNS queries"`
//		QName   sketch.Cardinality `metric:"cardinality.qname,cardinality" help:"distinct QNAMEs"`
//		Slow    metric.TopNames   `metric:"top_slow,counters+qnames" label:"qname" help:"slowest"`
//	}
//
// The metric tag holds the JSON path below the schema key and, after the comma, the groups that
// must all be enabled. A metric without a group is always on. The tag label is the item label of a
// list. The tag prom is a Prometheus name that does not follow from schema key and path. The tag
// float:"true" marks quantiles of ratios. A counter with sparse:"true" is left out while it is 0.
// The tag total names the totals of a metric since the start, see [Total]. Fields without a metric
// tag are private to the handler.
//
// Metrics per subject use a [Map]. Metrics that differ in one word use a common struct several
// times. Its tags contain words in braces. The tag with sets these words, followed by groups that
// all of them need. A value may have several words:
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
	bound  func(*M) // nil if the subjects of merged metrics are unbounded
}

// Bound sets a function that is called after each merge of metrics from periods, workers or
// modules. The function folds subjects of a [Map] if there are too many.
func (s *Schema[M]) Bound(f func(*M)) { s.bound = f }

type field struct {
	index    []int
	path     []string
	prom     string
	help     string
	label    string
	float    bool
	sparse   bool
	groups   GroupSet
	total    Total // Name without totals is empty; of a Map, the label of its subjects
	tagged   bool  // the tag total sets its totals
	subjects any   // *Schema of the metrics of each subject, if the field is a Map
	travels  declared
}

// NewSchema reads the declaration in M. The schema key is the JSON key and Prometheus prefix. It
// returns an error for an unknown group in a tag and for a field that is not a metric. A name that
// is invalid in Prometheus or used twice, and a list or Map without a label, are errors, too. A
// handler's own tests find these errors.
func NewSchema[M any](key string, names GroupNames) (*Schema[M], error) {
	s := &Schema[M]{key: key}
	d := declaration{key: key, names: names}
	if err := d.read(reflect.TypeFor[M](), strings.NewReplacer()); err != nil {
		return nil, err
	}
	s.fields = d.fields
	if err := unique(s.families()); err != nil {
		return nil, err
	}
	return s, alternatives(s.fields)
}

// families returns the Prometheus names of all metrics, including metrics of subjects.
func (s *Schema[M]) families() (names []string) {
	for _, f := range s.fields {
		if subjects, ok := f.subjects.(interface{ families() []string }); ok {
			names = append(names, subjects.families()...)
		} else {
			names = append(names, f.prom)
		}
	}
	return names
}

// unique returns an error if a name occurs twice. A [Map]'s path is not part of its metrics' names.
// Two such metrics would be one family, in which some series lack the label of the others.
func unique(names []string) error {
	seen := make(map[string]bool)
	for _, name := range names {
		if seen[name] {
			return fmt.Errorf("metric: two metrics have the name %s in Prometheus; set the tag prom for one of them", name)
		}
		seen[name] = true
	}
	return nil
}

// declaration collects the fields of a struct and its nested structs.
type declaration struct {
	key    string
	names  GroupNames
	fields []field
	index  []int    // index of the struct being read
	groups GroupSet // groups that it needs
}

func (d *declaration) read(t reflect.Type, words *strings.Replacer) error {
	for i := range t.NumField() {
		sf := t.Field(i)
		index := append(slices.Clone(d.index), i)
		if err := checkTag(sf); err != nil {
			return fmt.Errorf("metric: %s.%s: %w", t, sf.Name, err)
		}
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
			return fmt.Errorf("metric: %s.%s: %w", t, sf.Name, err)
		}
		f.index = index
		d.fields = append(d.fields, f)
	}
	return nil
}

// part reads the metrics of a nested struct. The tag with replaces the words in braces and adds
// required groups.
func (d *declaration) part(sf reflect.StructField, index []int, with string) error {
	words, groups, _ := strings.Cut(with, ",")
	var pairs []string
	for word := range strings.FieldsSeq(words) {
		name, value, ok := strings.Cut(word, "=")
		if !ok && len(pairs) > 0 { // the value has several words
			pairs[len(pairs)-1] += " " + word
			continue
		}
		pairs = append(pairs, "{"+name+"}", value)
	}
	g, err := d.names.parse(groups)
	if err != nil {
		return fmt.Errorf("metric: %s: %w", sf.Name, err)
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
		prom:   words.Replace(sf.Tag.Get("prom")),
		help:   words.Replace(sf.Tag.Get("help")),
		label:  words.Replace(sf.Tag.Get("label")),
		float:  sf.Tag.Get("float") == "true",
		sparse: sf.Tag.Get("sparse") == "true",
	}
	if path != "" {
		f.path = strings.Split(words.Replace(path), ".")
	}
	g, err := d.names.parse(words.Replace(groups))
	if err != nil {
		return f, err
	}
	f.groups = d.groups | g
	m := stateOf(reflect.New(sf.Type).Interface())
	switch m := m.(type) {
	case nil:
		return f, fmt.Errorf("%s is not a metric", sf.Type)
	case bySubject:
		f.subjects, err = m.declare(d.key, d.names)
		f.travels = declare(&f, m)
		f.total.Name = sf.Tag.Get("total")
		if err == nil {
			err = f.checkLabel()
		}
		return f, err
	}
	if f.prom == "" {
		f.prom = d.key + "_" + strings.Join(f.path, "_")
	}
	if !validName(f.prom) {
		return f, fmt.Errorf("invalid metric name: %s", f.prom)
	}
	f.travels = declare(&f, m)
	if f.travels.Kind == KindTop {
		if err := f.checkLabel(); err != nil {
			return f, err
		}
	}
	f.tagged = sf.Tag.Get("total") != ""
	return f, f.setTotal(d.key, sf, m, words)
}

// checkLabel returns an error unless the tag label is valid in Prometheus. Prometheus discards
// all metrics of a scrape for one invalid label.
func (f *field) checkLabel() error {
	if !validName(f.label) {
		return fmt.Errorf("invalid label: %q; the tag label names the entries of a list or a Map in Prometheus", f.label)
	}
	return nil
}

// Fields returns the declared metrics in order of declaration.
func (s *Schema[M]) Fields() []Field {
	b := s.New()
	out := make([]Field, 0, len(s.fields))
	for i, f := range s.fields {
		field := Field{Path: f.path, Prom: f.prom, Help: f.help, Label: f.label, Float: f.float, Sparse: f.sparse, Groups: f.groups, Total: f.total}
		switch m := b.list[i].(type) {
		case bySubject:
			field.Subjects = m.declared()
		case metric:
			var v Value
			m.render(&v, Rendering{})
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

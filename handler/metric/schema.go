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
// must all be enabled; without a group the metric is always on. The tag label is the item label of
// a list, prom a Prometheus name that does not follow from schema key and path, and float:"true"
// marks quantiles of ratios. A counter with sparse:"true" is left out while it is 0. Fields without
// a metric tag belong to the handler alone.
//
// What is counted for each of several subjects is a [Map]. Metrics that differ in a word only are a
// struct of their own, used several times: its tags have words in braces, which the tag with gives,
// followed by groups that all of them need:
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
// or modules. f folds subjects of a [Map] where they have become too many.
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
	subjects any // *Schema of the metrics of each subject, if the field is an Map
}

// NewSchema reads the declaration in M. The schema key is the JSON key and Prometheus prefix. It
// returns an error for a tag that names no known group, a name that Prometheus does not allow or
// that two metrics have, or a field that is no metric: a handler's own tests find these.
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
		if subjects, ok := f.subjects.(interface{ families() []string }); ok {
			names = append(names, subjects.families()...)
		} else {
			names = append(names, f.prom)
		}
	}
	return names
}

// unique returns an error if a name is there twice. A path of a [Map] is not in the names of its
// metrics: two metrics would be one family, in which the series of one lack the label of the other.
func unique(names []string) error {
	seen := make(map[string]bool)
	for _, name := range names {
		if seen[name] {
			return fmt.Errorf("metric: two metrics have the name %s in Prometheus; give one of them the tag prom", name)
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

// part reads the metrics of a struct within the struct: with says what its words in braces stand
// for, and the groups that it needs.
func (d *declaration) part(sf reflect.StructField, index []int, with string) error {
	words, groups, _ := strings.Cut(with, ",")
	var pairs []string
	for word := range strings.FieldsSeq(words) {
		name, value, _ := strings.Cut(word, "=")
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
	case bySubject:
		f.subjects, err = m.declare(d.key, d.names)
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
	b := s.New()
	out := make([]Field, 0, len(s.fields))
	for i, f := range s.fields {
		field := Field{Path: f.path, Prom: f.prom, Help: f.help, Label: f.label, Float: f.float, Sparse: f.sparse, Groups: f.groups}
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

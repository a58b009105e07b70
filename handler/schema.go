package handler

import (
	"fmt"
	"reflect"
	"strings"
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
// quantiles of ratios. Fields without a metric tag belong to the handler alone.
type Schema[M any] struct {
	key    string
	fields []field
}

type field struct {
	index  int
	path   []string
	prom   string
	help   string
	label  string
	float  bool
	groups GroupSet
}

// NewSchema reads the declaration in M. The schema key is the JSON key and Prometheus prefix. It
// returns an error for a tag that names no known group, a name that Prometheus does not allow, or
// a field that is no metric: a handler's own tests find these.
func NewSchema[M any](key string, names GroupNames) (*Schema[M], error) {
	s := &Schema[M]{key: key}
	t := reflect.TypeFor[M]()
	for i := range t.NumField() {
		tag, ok := t.Field(i).Tag.Lookup("metric")
		if !ok {
			continue
		}
		f, err := newField(key, names, t.Field(i), tag)
		if err != nil {
			return nil, fmt.Errorf("handler: %s.%s: %w", t, t.Field(i).Name, err)
		}
		f.index = i
		s.fields = append(s.fields, f)
	}
	return s, nil
}

func newField(key string, names GroupNames, sf reflect.StructField, tag string) (field, error) {
	path, groups, _ := strings.Cut(tag, ",")
	f := field{
		path:  strings.Split(path, "."),
		prom:  sf.Tag.Get("prom"),
		help:  sf.Tag.Get("help"),
		label: sf.Tag.Get("label"),
		float: sf.Tag.Get("float") == "true",
	}
	if f.prom == "" {
		f.prom = key + "_" + strings.Join(f.path, "_")
	}
	if !validName(f.prom) {
		return f, fmt.Errorf("invalid metric name: %s", f.prom)
	}
	if metricOf(reflect.New(sf.Type).Interface()) == nil {
		return f, fmt.Errorf("%s is not a metric", sf.Type)
	}
	if groups == "" {
		return f, nil
	}
	for name := range strings.SplitSeq(groups, "+") {
		g, err := names.find(name)
		if err != nil {
			return f, err
		}
		f.groups |= g
	}
	return f, nil
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
	list    []metric // the fields of Metrics, in the order of the schema
	begun   bool     // it is in use: the other two are set
	startNS int64    // start of the period
	lastNS  int64    // latest event, or startNS
}

func (s *Schema[M]) newBucket() *bucket[M] {
	b := &bucket[M]{list: make([]metric, 0, len(s.fields))}
	v := reflect.ValueOf(&b.Metrics).Elem()
	for _, f := range s.fields {
		b.list = append(b.list, metricOf(v.Field(f.index).Addr().Interface()))
	}
	return b
}

// Reset makes b an empty bucket and keeps its memory.
func (b *bucket[M]) Reset() {
	for _, m := range b.list {
		m.Reset()
	}
	b.begun, b.startNS, b.lastNS = false, 0, 0
}

// Merge adds src to b and leaves src as it was.
func (b *bucket[M]) Merge(src *bucket[M]) {
	for i, m := range b.list {
		m.mergeFrom(src.list[i])
	}
	b.lastNS = max(b.lastNS, src.lastNS)
}

// copyFrom makes b equal to src, in the memory that b has.
func (b *bucket[M]) copyFrom(src *bucket[M]) {
	for i, m := range b.list {
		m.copyFrom(src.list[i])
	}
	b.begun, b.startNS, b.lastNS = src.begun, src.startNS, src.lastNS
}

// values renders the fields of b whose groups are enabled.
func (s *Schema[M]) values(b *bucket[M], groups GroupSet, r rendering) []Value {
	out := make([]Value, 0, len(s.fields))
	for i, f := range s.fields {
		if !groups.Has(f.groups) {
			continue
		}
		v := Value{Path: f.path, Prom: f.prom, Help: f.help, Label: f.label, Float: f.float}
		b.list[i].render(&v, r)
		out = append(out, v)
	}
	return out
}

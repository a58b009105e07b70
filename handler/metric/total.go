package metric

import (
	"fmt"
	"reflect"
	"strings"
)

// Total is the declaration of a metric's totals, which only grow: the tag total, or otherwise the
// metric's Prometheus name. Counters have totals of events, and quantiles and histograms have
// distributions. Rates and lists of numbers have totals only with the tag. Other metrics have none.
//
// The tag holds a name and labels, separated by spaces: `total:"messages_by_transport
// transport=udp"`. The suffix _total of counters is added. Times need a name that ends in _seconds.
// Two metrics of the same name and labels are two forms of the same counts: the first one in an
// enabled group counts. The tag - leaves a metric out.
//
// The tag of a [Map] is a name for the label of its subjects, which must be a closed set. Without
// it the totals of all subjects are added up.
type Total struct {
	Name   string  // without the prefix visor_ and the handler's type; "" without totals
	Labels []Label // that the tag sets
	Code   string  // label of a list's numbers; "" for other metrics
	Unit   Unit
	// the metric's unit is the base unit divided by Per: 1e6 for microseconds
	Per float64
}

// Unit is the base unit of totals.
type Unit string

// The base units of Prometheus. Counters have none.
const (
	NoUnit  Unit = ""
	Seconds Unit = "seconds"
	Bytes   Unit = "bytes"
	Ratio   Unit = "ratio"
)

// series identifies the totals of t within a module and a subject.
func (t *Total) series() string {
	name := t.Name
	for _, l := range t.Labels {
		name += " " + l.Name + "=" + l.Value
	}
	return name
}

// timeUnits are the units of times, as words in names.
var timeUnits = map[string]float64{"us": 1e6, "ms": 1e3, "ns": 1e9, "s": 1}

// totalOf returns the totals of a metric by its tag and its names. own is the Prometheus name
// without the schema key.
func totalOf(tag, own string, f *field, kind Kind, words *strings.Replacer) (Total, error) {
	t := Total{Per: 1}
	distribution := kind == KindQuantile || kind == KindHistogram
	switch {
	case tag == "-" || tag == "" && kind != KindCounter && !distribution:
		return Total{}, nil
	case kind != KindCounter && kind != KindRate && kind != KindTop && !distribution:
		return t, fmt.Errorf("it has no totals, but the tag total")
	case kind == KindTop:
		t.Code = snake(f.label)
	}
	name := own
	if tag != "" {
		parts := strings.Fields(words.Replace(tag))
		if len(parts) == 0 {
			return t, fmt.Errorf("the tag total lacks a name")
		}
		name = parts[0]
		for _, part := range parts[1:] {
			label, value, ok := strings.Cut(part, "=")
			if !ok || !validName(label) {
				return t, fmt.Errorf("the tag total has a label %q: must be name=value", part)
			}
			t.Labels = append(t.Labels, Label{label, value})
		}
	}
	t.Name = snake(name)
	if !distribution {
		t.Name = strings.TrimSuffix(t.Name, "_total") + "_total"
		return t, t.check()
	}
	t.measure(own, f.float)
	return t, t.check()
}

func (t *Total) check() error {
	if !validName(t.Name) {
		return fmt.Errorf("invalid name of totals: %s", t.Name)
	}
	return nil
}

// measure sets the unit of a distribution, and ends its name with it.
func (t *Total) measure(own string, float bool) {
	last := own[strings.LastIndexByte(own, '_')+1:]
	per, isTime := timeUnits[last]
	switch {
	case isTime:
		t.Unit, t.Per = Seconds, per
		t.Name = strings.TrimSuffix(t.Name, "_"+last)
	case strings.HasSuffix(t.Name, "_bytes") || last == "bytes":
		t.Unit = Bytes
	case float && strings.HasSuffix(t.Name, "_ratio"):
		t.Unit = Ratio
	}
	if t.Unit != NoUnit && !strings.HasSuffix(t.Name, "_"+string(t.Unit)) {
		t.Name += "_" + string(t.Unit)
	}
	t.Name = strings.TrimSuffix(t.Name, "_total")
}

// snake returns a name in lower case, with underscores between words.
func snake(name string) string {
	var b strings.Builder
	for i, c := range []byte(name) {
		upper := c >= 'A' && c <= 'Z'
		if upper && i > 0 && name[i-1] >= 'a' && name[i-1] <= 'z' {
			b.WriteByte('_')
		}
		if upper {
			c |= 0x20
		}
		b.WriteByte(c)
	}
	return b.String()
}

// setTotal sets the totals of a metric.
func (f *field) setTotal(key string, sf reflect.StructField, m state, words *strings.Replacer) (err error) {
	kind := f.travels.Kind
	if _, counts := m.(totaled); !counts {
		if tag := sf.Tag.Get("total"); tag != "" && tag != "-" {
			return fmt.Errorf("%s has no totals, but the tag total", sf.Type)
		}
		return nil
	}
	if codes, ok := m.(closedSet); ok && !codes.closed() && sf.Tag.Get("total") != "" {
		return fmt.Errorf("the tag total of a list needs numbers with the method Known")
	}
	own := strings.TrimPrefix(f.prom, key+"_")
	f.total, err = totalOf(sf.Tag.Get("total"), own, f, kind, words)
	return err
}

// alternatives returns an error if two metrics have the same totals, unless the tag total of both
// requests it.
func alternatives(fields []field) error {
	seen := make(map[string]bool)
	for _, f := range fields {
		if f.total.Name == "" {
			continue
		}
		key := f.total.series()
		if tagged, ok := seen[key]; ok && !(tagged && f.tagged) {
			return fmt.Errorf("metric: two metrics have the totals %s; set the tag total for one of them", key)
		}
		seen[key] = f.tagged
	}
	return nil
}

// subjectLabel returns the label of a Map's subjects in totals, or "" if their totals are added up.
func (f *field) subjectLabel() string { return f.total.Name }

package metric

import (
	"maps"
	"slices"
	"strings"

	"visor/sketch"
)

// Totals hold the counts of all sets of a schema together, in forms that only grow. Lists,
// cardinalities and gauges have none. A Totals is owned by one goroutine.
type Totals struct {
	fields []field
	sums   []tally // by field
}

// tally is the total of one field.
type tally struct {
	n     sketch.Counter            // events of a counter or a rate
	dist  *Distribution             // nil before the first value
	codes map[string]sketch.Counter // events by the name of a number
	// of a Map: by subject, or under "" if the subjects are added up
	parts map[string]*Totals
}

// Sum is one series of totals.
type Sum struct {
	Total
	Help   string
	Labels []Label // sorted by name: of the declaration, of a code and of subjects
	Groups GroupSet
	Count  uint64
	// of a metric with values; nil for a counter
	Distribution *Distribution
}

// Key identifies the series of s within a module.
func (s *Sum) Key() string {
	var b strings.Builder
	b.WriteString(s.Name)
	for _, l := range s.Labels {
		b.WriteString("\x00" + l.Name + "\x00" + l.Value)
	}
	return b.String()
}

// totaled is a metric that has totals.
type totaled interface{ addTo(s *tally, t *Total) }

// closedSet is a list whose numbers may be a closed set.
type closedSet interface{ closed() bool }

// NewTotals returns empty totals.
func (s *Schema[M]) NewTotals() *Totals { return newTotals(s.fields) }

func newTotals(fields []field) *Totals {
	return &Totals{fields: fields, sums: make([]tally, len(fields))}
}

// AddTo adds the counts of b to t, which is of the same schema.
func (b *Set[M]) AddTo(t *Totals) {
	for i, m := range b.list {
		f := &t.fields[i]
		switch m := m.(type) {
		case bySubject:
			m.addTotals(&t.sums[i], f)
		case totaled:
			if f.total.Name != "" {
				m.addTo(&t.sums[i], &f.total)
			}
		}
	}
}

// part returns the totals of a subject.
func (s *tally) part(name string, f *field) *Totals {
	if f.subjectLabel() == "" {
		name = ""
	}
	p := s.parts[name]
	if p == nil {
		if s.parts == nil {
			s.parts = make(map[string]*Totals)
		}
		p = newTotals(f.subjects.(fielded).all())
		s.parts[name] = p
	}
	return p
}

// fielded is a *Schema of any metrics.
type fielded interface{ all() []field }

func (s *Schema[M]) all() []field { return s.fields }

func (e *Map[M]) addTotals(s *tally, f *field) {
	for name, p := range e.parts {
		if p.begun {
			p.AddTo(s.part(name, f))
		}
	}
}

// distribution returns the values of s.
func (s *tally) distribution(t *Total) *Distribution {
	if s.dist == nil {
		s.dist = newDistribution(t)
	}
	return s.dist
}

func (c counter) addTo(s *tally, _ *Total) { s.n.Add(c.Value()) }

func (q rate) addTo(s *tally, _ *Total) { s.n.Add(q.Total()) }

func (q quantile) addTo(s *tally, t *Total) {
	d := s.distribution(t)
	for v, n := range q.Bins {
		d.add(v/t.Per, n)
	}
	d.addSum(q.Sum())
}

func (h histogram) addTo(s *tally, t *Total) {
	d := s.distribution(t)
	for v, n := range h.Counts {
		d.add(v/t.Per, n)
	}
	d.addSum(h.Sum())
}

func (s *Sizes) addTo(sum *tally, t *Total)   { s.total(&sizes, sum, t) }
func (s *Lengths) addTo(sum *tally, t *Total) { s.total(&lengths, sum, t) }

// total adds the numbers to a distribution. A number counts as the greatest of its bin, and in the
// sum as the middle.
func (l *linear) total(s *scale, sum *tally, t *Total) {
	d, width := sum.distribution(t), float64(s.width)
	for bin, n := range l.counts {
		if n > 0 {
			least := float64(bin) * width
			d.add((least+width-1)/t.Per, n)
			d.addSum((least + (width-1)/2) * float64(n))
		}
	}
}

// known is a number that may have a name.
type known interface{ Known() bool }

func (t *TopNumbers[K]) closed() bool {
	_, ok := any(K(0)).(known)
	return ok
}

// otherCode is the label of all numbers without a name. They are one series, because senders choose
// the numbers.
const otherCode = "other"

func (t *TopNumbers[K]) addTo(s *tally, _ *Total) {
	for code, n := range t.All {
		name := otherCode
		if any(code).(known).Known() {
			name = code.String()
		}
		s.addCode(name, n)
	}
}

// addCode adds n to the count of a code.
func (s *tally) addCode(name string, n uint64) {
	if s.codes == nil {
		s.codes = make(map[string]sketch.Counter)
	}
	sum := s.codes[name]
	sum.Add(n)
	s.codes[name] = sum
}

// Merge adds src, which is of the same schema and stays unchanged.
func (t *Totals) Merge(src *Totals) {
	for i := range src.sums {
		from, to, f := &src.sums[i], &t.sums[i], &t.fields[i]
		to.n.Merge(&from.n)
		if from.dist != nil {
			to.distribution(&f.total).merge(from.dist)
		}
		for code, n := range from.codes {
			to.addCode(code, n.Value())
		}
		for name, p := range from.parts {
			to.part(name, f).Merge(p)
		}
	}
}

// Sums returns the series of metrics in enabled groups, in the order of their declaration. They
// share no memory with t.
func (t *Totals) Sums(groups GroupSet) []Sum {
	return t.appendSums(nil, groups, nil)
}

func (t *Totals) appendSums(dst []Sum, groups GroupSet, labels []Label) []Sum {
	seen := make(map[string]bool)
	for i := range t.fields {
		f, s := &t.fields[i], &t.sums[i]
		if !groups.Has(f.groups) {
			continue
		}
		if f.subjects != nil {
			dst = t.appendSubjects(dst, groups, labels, f, s)
			continue
		}
		if f.total.Name == "" {
			continue
		}
		for _, own := range s.series(f) {
			key := own.Key()
			if seen[key] {
				continue // another form of the same counts
			}
			seen[key] = true
			own.Labels = append(own.Labels, labels...)
			slices.SortFunc(own.Labels, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
			dst = append(dst, own)
		}
	}
	return dst
}

func (t *Totals) appendSubjects(dst []Sum, groups GroupSet, labels []Label, f *field, s *tally) []Sum {
	if f.subjectLabel() == "" && s.parts == nil {
		s.part("", f) // counters begin at 0, before the first subject
	}
	for _, name := range slices.Sorted(maps.Keys(s.parts)) {
		own := labels
		if label := f.subjectLabel(); label != "" {
			own = append(labels[:len(labels):len(labels)], Label{label, name})
		}
		dst = s.parts[name].appendSums(dst, groups, own)
	}
	return dst
}

// series returns the series of s without the labels of subjects.
func (s *tally) series(f *field) []Sum {
	one := Sum{Total: f.total, Help: f.totalHelp(), Labels: slices.Clone(f.total.Labels), Groups: f.groups}
	if f.total.Code == "" {
		one.Count = s.n.Value()
		if f.travels.Kind == KindQuantile || f.travels.Kind == KindHistogram {
			one.Distribution = s.distribution(&f.total).clone()
		}
		return []Sum{one}
	}
	var out []Sum
	for _, code := range slices.Sorted(maps.Keys(s.codes)) {
		own := one
		own.Labels, own.Count = append(slices.Clone(one.Labels), Label{f.total.Code, code}), uint64(s.codes[code])
		out = append(out, own)
	}
	return out
}

// totalHelp returns the help of a metric's totals, in base units. Metrics that differ in a label
// have one help, made of their name.
func (f *field) totalHelp() string {
	t := &f.total
	help := f.help
	if len(t.Labels) > 0 || t.Code != "" {
		help = strings.TrimSuffix(t.Name, "_total")
		if unit := "_" + string(t.Unit); t.Unit != NoUnit {
			help = strings.TrimSuffix(help, unit) + ", " + string(t.Unit)
		}
		help = strings.ReplaceAll(help, "_", " ")
	}
	if t.Unit == Seconds {
		help = baseUnits.Replace(help)
	}
	return strings.TrimSuffix(help, " per second") // of a rate
}

var baseUnits = strings.NewReplacer("microseconds", "seconds", "milliseconds", "seconds", "nanoseconds", "seconds")

// AddSums returns the sums of a and b by series: first all of a, then the rest of b. It
// leaves both unchanged.
func AddSums(a, b []Sum) []Sum {
	out, index := slices.Clone(a), make(map[string]int, len(a))
	for i := range out {
		index[out[i].Key()] = i
		if d := out[i].Distribution; d != nil {
			out[i].Distribution = d.clone()
		}
	}
	for i := range b {
		at, ok := index[b[i].Key()]
		switch {
		case !ok:
			out = append(out, b[i])
		case out[at].Distribution != nil && b[i].Distribution != nil:
			out[at].Distribution.merge(b[i].Distribution)
		default:
			sum := sketch.Counter(out[at].Count)
			sum.Add(b[i].Count)
			out[at].Count = sum.Value()
		}
	}
	return out
}

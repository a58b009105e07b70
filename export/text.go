package export

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"visor/handler"
	"visor/handler/metric"
)

// TextConfig configures [WriteText]. The zero TextConfig is ready to use.
type TextConfig struct {
	Width int  // columns; 0 means 80; a line is longer only if a single value is
	Color bool // use ANSI colours
	All   bool // also show zeros
}

// WriteText writes s to w as text for terminals. Each module has a section with counters,
// distributions and lists. Lists are arranged side by side as the width allows. Each count is
// followed by its share of the whole list, including entries that are not shown. Bars are
// proportional to the first entry of a list.
//
// Sections with only zeros are omitted and listed in the last line, and groups of zero counters are
// omitted. The names of metrics are in plain words, which may change; programs should read JSON.
func WriteText(w io.Writer, s *handler.Snapshot, cfg TextConfig) error {
	if cfg.Width <= 0 {
		cfg.Width = 80
	}
	t := &text{out: bufio.NewWriter(w), width: cfg.Width, style: styles[cfg.Color], all: cfg.All}
	var unseen []string
	for i := range s.Modules {
		m := &s.Modules[i]
		switch values := m.Values(); {
		case m.Silent():
		case !t.all && !anyCounted(values) && len(missing(m, values)) == 0:
			unseen = append(unseen, section(m))
		default:
			t.module(m, values)
		}
	}
	if len(unseen) > 0 {
		t.line("nothing to show of " + strings.Join(unseen, ", "))
	}
	return t.out.Flush()
}

// Counted reports whether any metric of m is greater than zero.
func Counted(m *handler.Module) bool { return anyCounted(m.Values()) }

func anyCounted(values []metric.Value) bool { return slices.ContainsFunc(values, hasCounted) }

// hasCounted reports whether v differs from zero.
func hasCounted(v metric.Value) bool {
	switch v.Kind {
	case metric.KindTop:
		return len(v.Items) > 0
	case metric.KindQuantile, metric.KindRate:
		return v.Quantiles.N > 0 && v.Quantiles.Max > 0
	case metric.KindHistogram:
		return len(v.Bins) > 0
	}
	return v.Int > 0
}

// style holds the escape sequences of ECMA-48 that begin and end emphasis.
type style struct{ title, name, bar, end string }

var styles = map[bool]style{true: {title: "\x1b[1;36m", name: "\x1b[1m", bar: "\x1b[32m", end: "\x1b[0m"}, false: {}}

type text struct {
	out   *bufio.Writer
	width int
	style style
	all   bool
}

// line writes a line. A failure to write is returned when out is flushed.
func (t *text) line(s string) { fmt.Fprintln(t.out, strings.TrimRight(s, " ")) }

func (t *text) module(m *handler.Module, values []metric.Value) {
	t.title(m)
	names := missing(m, values)
	for len(values) > 0 {
		n := 1
		for n < len(values) && isTabled(&values[n]) == isTabled(&values[0]) &&
			(isTabled(&values[0]) || slices.Equal(subject(&values[n]), subject(&values[0]))) {
			n++
		}
		if isTabled(&values[0]) {
			t.subjects(values[:n])
		} else {
			t.about(values[:n])
		}
		values = values[n:]
	}
	t.missing(names)
	t.line("")
}

// subject returns the part of a path that names the subject of the metric, such as a device and an
// interface.
func subject(v *metric.Value) []string { return v.Path[:v.SubjectLen] }

// about writes the metrics of one subject. If there are several subjects, zero counters are
// omitted.
func (t *text) about(values []metric.Value) {
	values = slices.Clone(values)
	if head := subject(&values[0]); len(head) > 0 {
		t.line("")
		t.line(t.style.title + "─ " + cut(SubjectWords(head), t.width-2) + t.style.end)
		values = slices.DeleteFunc(values, func(v metric.Value) bool {
			return !t.all && isNumber(&v) && v.Int == 0
		})
	}
	for i := range values {
		values[i].Path = values[i].Path[values[i].SubjectLen:]
	}
	t.counters(values)
	t.distributions(values)
	t.histograms(values)
	t.lists(t.shortened(values))
}

// section returns the title of a module's section.
func section(m *handler.Module) string { return strings.ToUpper(m.Schema) }

// title writes the title of the section with its start and length, on two lines if they do not fit
// on one.
func (t *text) title(m *handler.Module) {
	head := section(m)
	when := "nothing seen"
	if !m.Start.IsZero() {
		when = fmt.Sprintf("%s, %s", m.Start.UTC().Format("2006-01-02 15:04:05 MST"), Brief(m.Length))
	}
	fill := t.width - len(head) - len(when) - 6
	if fill < 2 {
		t.line(t.style.title + "── " + head + " " + strings.Repeat("─", max(0, t.width-len(head)-4)) + t.style.end)
		t.line(t.style.title + when + t.style.end)
		return
	}
	t.line(t.style.title + "── " + head + " " + strings.Repeat("─", fill) + " " + when + " " + t.style.end)
}

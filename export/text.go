package export

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"visor/handler"
)

// TextConfig configures [WriteText]. The zero TextConfig is ready to use.
type TextConfig struct {
	Width int  // columns; 0 means 80; lines are longer only if a single value is
	Color bool // use the colours of ANSI terminals
}

// WriteText writes s to w for people: a section per module, its counters, distributions and lists.
// Lists stand side by side as the width allows; bars are in proportion to a list's first entry.
func WriteText(w io.Writer, s *handler.Snapshot, cfg TextConfig) error {
	if cfg.Width <= 0 {
		cfg.Width = 80
	}
	t := &text{out: bufio.NewWriter(w), width: cfg.Width, style: styles[cfg.Color]}
	for i := range s.Modules {
		if m := &s.Modules[i]; !m.Silent() {
			t.module(m)
		}
	}
	return t.out.Flush()
}

// style holds the escape sequences of ECMA-48 that begin and end emphasis.
type style struct{ title, name, bar, end string }

var styles = map[bool]style{true: {title: "\x1b[1;36m", name: "\x1b[1m", bar: "\x1b[32m", end: "\x1b[0m"}, false: {}}

type text struct {
	out   *bufio.Writer
	width int
	style style
}

// line writes a line; a failure to write shows when out is flushed.
func (t *text) line(s string) { fmt.Fprintln(t.out, strings.TrimRight(s, " ")) }

func (t *text) module(m *handler.Module) {
	t.title(m)
	values := m.Values()
	for len(values) > 0 {
		n := 1
		for n < len(values) && slices.Equal(subject(&values[n]), subject(&values[0])) {
			n++
		}
		t.about(values[:n])
		values = values[n:]
	}
	t.line("")
}

// subject returns the part of a path that tells what the metric is about: a device and an interface, say.
func subject(v *handler.Value) []string { return v.Path[:v.Of] }

// about writes the metrics of one subject. Of one among several, counters that are zero are left out.
func (t *text) about(values []handler.Value) {
	values = slices.Clone(values)
	if head := subject(&values[0]); len(head) > 0 {
		t.line("")
		t.line(t.style.title + "─ " + printable(strings.Join(head, " ")) + t.style.end)
		values = slices.DeleteFunc(values, func(v handler.Value) bool {
			return isNumber(&v) && v.Int == 0
		})
	}
	for i := range values {
		values[i].Path = values[i].Path[values[i].Of:]
	}
	t.counters(values)
	t.distributions(values)
	t.histograms(values)
	t.lists(values)
}

// title writes the schema, and when and for how long it was counted.
func (t *text) title(m *handler.Module) {
	head := strings.ToUpper(m.Schema)
	when := "nothing seen"
	if !m.Start.IsZero() {
		when = fmt.Sprintf("%s, %s", m.Start.UTC().Format("2006-01-02 15:04:05 MST"), m.Length.Round(time.Second))
	}
	fill := max(2, t.width-len(head)-len(when)-6)
	t.line(t.style.title + "── " + head + " " + strings.Repeat("─", fill) + " " + when + " " + t.style.end)
}

func isNumber(v *handler.Value) bool {
	return v.Kind == handler.KindCounter || v.Kind == handler.KindCardinality || v.Kind == handler.KindGauge
}

// counters writes single numbers. Those with the same first part of the path share a line or more.
func (t *text) counters(values []handler.Value) {
	groups := make(map[string][]string)
	var order []string
	for _, v := range values {
		if !isNumber(&v) {
			continue
		}
		last := len(v.Path) - 1
		head := words(v.Path[:last]...)
		if _, ok := groups[head]; !ok {
			order = append(order, head)
		}
		groups[head] = append(groups[head], words(v.Path[last])+" "+t.style.name+thousands(v.Int)+t.style.end)
	}
	for _, head := range order {
		t.wrap(head, groups[head])
	}
}

const headWidth = 16 // columns of what stands in front of a line of counters

// wrap writes cells in as many lines as they need.
func (t *text) wrap(head string, cells []string) {
	line, used := pad(head, headWidth), headWidth
	for _, c := range cells {
		n := len(c) - len(t.style.name) - len(t.style.end)
		if used > headWidth && used+n > t.width {
			t.line(line)
			line, used = pad("", headWidth), headWidth
		}
		line += c + "   "
		used += n + 3
	}
	t.line(line)
}

// distributions writes quantiles and rates as one table.
func (t *text) distributions(values []handler.Value) {
	const nameWidth = 26
	cell := 10
	names, rows := []string{""}, [][]string{{"p50", "p90", "p95", "p99", "max"}}
	for _, v := range values {
		if v.Kind != handler.KindQuantile && v.Kind != handler.KindRate || v.Quantiles.N == 0 {
			continue
		}
		q := &v.Quantiles
		var cells []string
		for _, f := range []float64{q.P50, q.P90, q.P95, q.P99, q.Max} {
			cells = append(cells, decimal(f, v.Float))
			cell = max(cell, len(cells[len(cells)-1])+1)
		}
		names, rows = append(names, words(v.Path...)), append(rows, cells)
	}
	if len(rows) == 1 {
		return
	}
	for i, cells := range rows {
		t.line(pad(names[i], nameWidth) + alignRight(cell, cells...))
	}
}

// histograms writes each histogram as a list of its bins, not cumulative.
func (t *text) histograms(values []handler.Value) {
	for _, v := range values {
		if v.Kind != handler.KindHistogram || len(v.Bins) == 0 {
			continue
		}
		v.Items = nil
		below := uint64(0)
		for _, b := range v.Bins[:len(v.Bins)-1] { // the last one is all
			v.Items = append(v.Items, handler.Item{Name: "up to " + b.Le, Estimate: b.Count - below})
			below = b.Count
		}
		for _, l := range t.list(&v, min(t.width, columnWidth)) {
			t.line(l)
		}
	}
}

const columnWidth = 40 // columns of a list at least

// lists writes the top lists that are not empty, side by side. One with names too long for that has all the width.
func (t *text) lists(values []handler.Value) {
	columns := max(1, t.width/columnWidth)
	width := t.width / columns
	var row [][]string
	for _, v := range values {
		if v.Kind != handler.KindTop || len(v.Items) == 0 {
			continue
		}
		long := widthOf(&v) > width
		if long || len(row) == columns {
			t.row(row, width)
			row = nil
		}
		if long {
			t.row([][]string{t.list(&v, t.width)}, t.width)
			continue
		}
		row = append(row, t.list(&v, width))
	}
	t.row(row, width)
}

// row writes lists of the given width beside each other.
func (t *text) row(lists [][]string, width int) {
	height := 0
	for _, l := range lists {
		height = max(height, len(l))
	}
	for i := range height {
		line := ""
		for _, l := range lists {
			if i < len(l) {
				line += l[i]
			} else {
				line += pad("", width)
			}
		}
		t.line(line)
	}
}

const barWidth = 8

// countWidth returns the columns of the longest count of a list.
func countWidth(v *handler.Value) (digits int) {
	for _, it := range v.Items {
		digits = max(digits, len(thousands(it.Estimate)))
	}
	return digits
}

// widthOf returns the columns of a list that is shown in full, with one between it and its neighbour.
func widthOf(v *handler.Value) int {
	longest := 0
	for _, it := range v.Items {
		longest = max(longest, utf8.RuneCountInString(it.Name))
	}
	return countWidth(v) + 1 + barWidth + 1 + longest + 1
}

// list returns the lines of a list, each of the given width: count, bar, name.
func (t *text) list(v *handler.Value, width int) []string {
	lines := []string{pad("", width), t.style.name + pad(words(v.Path...), width) + t.style.end}
	digits := countWidth(v)
	most := uint64(1)
	for _, it := range v.Items {
		most = max(most, it.Estimate)
	}
	for _, it := range v.Items {
		name := printable(it.Name)
		if name == "" {
			name = "." // the DNS root
		}
		count := fmt.Sprintf("%*s ", digits, thousands(it.Estimate))
		rest := width - digits - 1 - barWidth - 1
		lines = append(lines, count+t.style.bar+bar(it.Estimate, most, barWidth)+t.style.end+" "+pad(cut(name, rest-1), rest))
	}
	return lines
}

// bar returns n of most as a bar of blocks, drawn in eighths.
func bar(n, most uint64, width int) string {
	eighths := int(float64(n)/float64(most)*float64(width*8) + 0.5)
	eighths = min(max(eighths, 1), width*8)
	s := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		s += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return pad(s, width)
}

// words joins the parts of a metric's path for people.
func words(path ...string) string {
	return strings.ReplaceAll(strings.Join(path, " "), "_", " ")
}

// pad fills s with blanks up to width runes.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

// cut shortens s to width runes at most, with an ellipsis where something is missing.
func cut(s string, width int) string {
	r := []rune(s)
	if len(r) <= width || width < 1 {
		return s
	}
	return string(r[:width-1]) + "…"
}

// printable replaces what could steer a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

func alignRight(width int, cells ...string) string {
	var b strings.Builder
	for _, c := range cells {
		fmt.Fprintf(&b, "%*s", width, c)
	}
	return b.String()
}

// decimal writes whole numbers with thousands separators, fractions with two digits.
func decimal(f float64, fraction bool) string {
	if fraction {
		return strconv.FormatFloat(f, 'f', 2, 64)
	}
	return thousands(uint64(max(f, 0) + 0.5))
}

// thousands writes n in groups of three digits.
func thousands(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

package export

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"visor/handler/metric"
)

func isNumber(v *metric.Value) bool {
	return v.Kind == metric.KindCounter || v.Kind == metric.KindCardinality || v.Kind == metric.KindGauge
}

// cell is a number with its name.
type cell struct {
	name, number string
	zero         bool
}

func (c *cell) width() int { return displayWidth(c.name) + 1 + len(c.number) }

// counterGroup holds counters whose paths have the same beginning.
type counterGroup struct {
	head  string
	cells []cell
}

func (g *counterGroup) zero() bool {
	return !slices.ContainsFunc(g.cells, func(c cell) bool { return !c.zero })
}

// counters writes single numbers. Numbers with the same first part of the path share one or more
// lines. Groups of zeros are omitted.
func (t *text) counters(values []metric.Value) {
	var groups []counterGroup
	for _, v := range values {
		if !isNumber(&v) {
			continue
		}
		last := len(v.Path) - 1
		head := Words(v.Path[:last]...)
		at := slices.IndexFunc(groups, func(g counterGroup) bool { return g.head == head })
		if at < 0 {
			at = len(groups)
			groups = append(groups, counterGroup{head: head})
		}
		groups[at].cells = append(groups[at].cells, cell{Words(v.Path[last]), count(&v), v.Int == 0})
	}
	if !t.all {
		groups = slices.DeleteFunc(groups, func(g counterGroup) bool { return g.zero() })
	}
	indent := 0
	for i := range groups {
		if n := displayWidth(groups[i].head); n > 0 {
			indent = max(indent, n+2)
		}
	}
	for i := range groups {
		t.wrap(&groups[i], indent)
	}
}

// wrap writes the cells of a group in as many lines as they need, after its head. If the text is
// narrow, the head has its own line.
func (t *text) wrap(g *counterGroup, indent int) {
	line := pad(g.head, indent)
	if indent > t.width/3 {
		indent = 2
		if line = pad("", indent); g.head != "" {
			t.line(g.head)
		}
	}
	used := indent
	for i := range g.cells {
		c := &g.cells[i]
		if n := c.width(); used > indent && used+n > t.width {
			t.line(line)
			line, used = pad("", indent), indent
		}
		line += c.name + " " + t.style.name + c.number + t.style.end + "   "
		used += c.width() + 3
	}
	t.line(line)
}

// distribution is a row of the table of distributions.
type distribution struct {
	name  string
	cells []string // parallel to percentiles
}

// percentiles are the columns of the table. kept lists the columns to show if only n fit.
var (
	percentiles = []string{"p50", "p90", "p95", "p99", "max"}
	kept        = [][]int{1: {0}, 2: {0, 4}, 3: {0, 3, 4}, 4: {0, 2, 3, 4}, 5: {0, 1, 2, 3, 4}}
)

// distributions writes quantiles and rates as one table, or as several side by side.
func (t *text) distributions(values []metric.Value) {
	var rows []distribution
	for _, v := range values {
		if v.Quantiles.N == 0 || !t.all && !hasCounted(v) {
			continue
		}
		q := &v.Quantiles
		row := distribution{name: Words(v.Path...)}
		for _, f := range []float64{q.P50, q.P90, q.P95, q.P99, q.Max} {
			row.cells = append(row.cells, amount(f, &v))
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return
	}
	lines, width := t.table(rows)
	columns := max(1, min(len(rows), (t.width+tableGap)/(width+tableGap)))
	height := (len(rows) + columns - 1) / columns
	var side [][]string
	for part := range slices.Chunk(lines[1:], height) {
		side = append(side, append([]string{lines[0]}, part...))
	}
	t.row(side, slices.Repeat([]int{width + tableGap}, len(side)))
}

const tableGap = 4 // columns between two tables

// table returns the lines of a table of rows with a head, and their width, which is at most the
// width of the text.
func (t *text) table(rows []distribution) (lines []string, width int) {
	name, number := 0, 8
	for _, r := range rows {
		name = max(name, displayWidth(r.name))
		for _, c := range r.cells {
			number = max(number, displayWidth(c)+2)
		}
	}
	name = min(name, max(t.width/2, t.width-5*number))
	shown := kept[max(1, min((t.width-name)/number, 5))]
	line := func(name0 string, cells []string) {
		s := pad(cut(name0, name), name)
		for _, i := range shown {
			s += strings.Repeat(" ", max(0, number-displayWidth(cells[i]))) + cells[i]
		}
		lines = append(lines, s)
	}
	line("", percentiles)
	for _, r := range rows {
		line(r.name, r.cells)
	}
	return lines, name + len(shown)*number
}

// row writes blocks of lines side by side. The width of a block includes the space to its right.
func (t *text) row(blocks [][]string, widths []int) {
	height := 0
	for _, b := range blocks {
		height = max(height, len(b))
	}
	for i := range height {
		line := ""
		for k, b := range blocks {
			if i < len(b) {
				line += t.padStyled(b[i], widths[k])
			} else {
				line += pad("", widths[k])
			}
		}
		t.line(line)
	}
}

// count formats the number of v with all digits. A float64 would lose digits beyond 53 bits.
func count(v *metric.Value) string {
	if isTime(v) {
		return Microseconds(float64(v.Int))
	}
	return thousands(v.Int)
}

// amount formats a number of v: microseconds with a suitable unit, fractions with two digits.
func amount(f float64, v *metric.Value) string {
	switch {
	case isTime(v):
		return Microseconds(f)
	case v.Float:
		return strconv.FormatFloat(f, 'f', 2, 64)
	}
	return thousands(uint64(max(f, 0) + 0.5))
}

// isTime reports whether the numbers of v are microseconds.
func isTime(v *metric.Value) bool {
	last := v.Path[len(v.Path)-1]
	return last == "us" || strings.HasSuffix(last, "_us")
}

// Microseconds formats a time with three digits and a suitable unit: "19.4 ms".
func Microseconds(f float64) string {
	unit := "µs"
	for _, next := range []string{"ms", "s"} {
		if math.Round(f) < 1000 {
			break
		}
		f, unit = f/1000, next
	}
	switch {
	case unit == "µs" || f >= 100:
		return fmt.Sprintf("%.0f %s", f, unit)
	case f >= 10:
		return fmt.Sprintf("%.1f %s", f, unit)
	}
	return fmt.Sprintf("%.2f %s", f, unit)
}

// thousands formats n with separated groups of three digits.
func thousands(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

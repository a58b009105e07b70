package export

import (
	"cmp"
	"slices"
	"strings"

	"visor/handler/metric"
)

const (
	tabled       = "dns_server" // label of the subjects that are rows of a table
	tableRows    = 10           // subjects in a table
	clientRows   = 5            // entries of lists of clients
	clientLists  = "top_client"
	clientGroups = "top_client_" // lists of groups of clients; the first shows the rest well enough
)

// isTabled reports whether the subject of v is a row of a table.
func isTabled(v *metric.Value) bool {
	return v.SubjectLen > 0 && len(v.Labels) > 0 && v.Labels[len(v.Labels)-1].Name == tabled
}

// subjectRow is a row of a table of subjects.
type subjectRow struct {
	name  string
	cells []string
	rank  uint64
}

// subjects writes a line for each of the busiest subjects: numbers, and two quantiles of each
// distribution. The first number of a subject decides its rank.
func (t *text) subjects(values []metric.Value) {
	var rows []subjectRow
	var heads []string
	for len(values) > 0 {
		n := 1
		for n < len(values) && slices.Equal(subject(&values[n]), subject(&values[0])) {
			n++
		}
		row, head := t.subjectRow(values[:n])
		rows, values = append(rows, row), values[n:]
		if len(head) > len(heads) {
			heads = head
		}
	}
	slices.SortStableFunc(rows, func(a, b subjectRow) int { return cmp.Compare(b.rank, a.rank) })
	if !t.all {
		rows = rows[:min(len(rows), tableRows)]
	}
	t.line("")
	t.subjectLine(subjectRow{name: "DNS servers", cells: heads}, heads, rows)
	for _, row := range rows {
		t.subjectLine(row, heads, rows)
	}
}

func (t *text) subjectRow(values []metric.Value) (row subjectRow, heads []string) {
	row.name = SubjectWords(subject(&values[0])[1:])
	row.rank = values[0].Int
	for i := range values {
		v := &values[i]
		name := Words(v.Path[v.SubjectLen:]...)
		if isNumber(v) {
			row.cells, heads = append(row.cells, count(v)), append(heads, name)
			continue
		}
		p50, p99 := "", ""
		if q := &v.Quantiles; q.N > 0 {
			p50, p99 = amount(q.P50, v), amount(q.P99, v)
		}
		row.cells, heads = append(row.cells, p50, p99), append(heads, "p50", "p99")
	}
	return row, heads
}

// subjectLine writes a row with the cells right of its name, in columns as wide as their heads. It
// leaves out the columns that do not fit.
func (t *text) subjectLine(row subjectRow, heads []string, rows []subjectRow) {
	const least = 7
	width := displayWidth("DNS servers")
	for i := range rows {
		width = max(width, displayWidth(rows[i].name))
	}
	width = min(width, t.width/2)
	line, used := pad(cut(row.name, width), width), width
	for i, cell := range row.cells {
		column := max(displayWidth(heads[i]), least)
		if used += column + 2; used > t.width {
			break
		}
		line += "  " + strings.Repeat(" ", max(0, column-displayWidth(cell))) + cell
	}
	t.line(line)
}

// shortened returns the values of lists that a text shows: few clients, and of groups of clients
// only those with the most queries.
func (t *text) shortened(values []metric.Value) (out []metric.Value) {
	for _, v := range values {
		if v.Kind == metric.KindTop && !t.all && strings.HasPrefix(v.Path[0], clientLists) {
			if strings.HasPrefix(v.Path[0], clientGroups) && v.Path[len(v.Path)-1] != "queries" {
				continue
			}
			v.Items = v.Items[:min(len(v.Items), clientRows)]
		}
		out = append(out, v)
	}
	return out
}

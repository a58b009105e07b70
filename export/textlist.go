package export

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"visor/handler/metric"
)

const (
	columnWidth = 40 // minimum columns of a list; a wide list spans several
	barWidth    = 8
	leastBar    = 3
	shareWidth  = 6 // "12.3%" and a space
)

// grid returns the number of lists that fit side by side, and the width of each.
func (t *text) grid() (columns, width int) {
	columns = max(1, t.width/columnWidth)
	return columns, t.width / columns
}

// lists writes the non-empty top lists side by side. A list with long names spans several columns.
func (t *text) lists(values []metric.Value) {
	columns, unit := t.grid()
	var blocks [][]string
	var widths []int
	flush := func() {
		t.row(blocks, widths)
		blocks, widths = nil, nil
	}
	free := columns
	for _, v := range values {
		if v.Kind != metric.KindTop || len(v.Items) == 0 {
			continue
		}
		span := max(1, min((leastWidth(&v)+unit-1)/unit, columns))
		if span > free {
			flush()
			free = columns
		}
		free -= span
		blocks, widths = append(blocks, t.list(&v, span*unit)), append(widths, span*unit)
	}
	flush()
}

// histograms writes each histogram as a list of its bins, not cumulative, in as many columns as
// fit. Histograms with quantiles are among the distributions instead.
func (t *text) histograms(values []metric.Value) {
	columns, unit := t.grid()
	for _, v := range values {
		if v.Kind != metric.KindHistogram || len(v.Bins) == 0 || v.Quantiles.N > 0 {
			continue
		}
		v.Items = nil
		below := uint64(0)
		for _, b := range v.Bins[:len(v.Bins)-1] { // the last bin counts all
			v.Items = append(v.Items, metric.Item{Name: "up to " + bound(b.Le, &v), Estimate: b.Count - below})
			below = b.Count
		}
		v.Total = v.Bins[len(v.Bins)-1].Count
		lines := t.list(&v, unit)
		t.line("")
		t.line(lines[1])
		blocks := slices.Collect(slices.Chunk(lines[2:], (len(v.Items)+columns-1)/columns))
		t.row(blocks, slices.Repeat([]int{unit}, len(blocks)))
	}
}

// bound formats the upper bound of a bin.
func bound(le string, v *metric.Value) string {
	if f, err := strconv.ParseFloat(le, 64); err == nil {
		return amount(f, v)
	}
	return le
}

// countWidth returns the width of the longest count of a list.
func countWidth(v *metric.Value) (digits int) {
	for _, it := range v.Items {
		digits = max(digits, len(thousands(it.Estimate)))
	}
	return digits
}

// nameWidth returns the width of the longest name of a list.
func nameWidth(v *metric.Value) (n int) {
	for i := range v.Items {
		n = max(n, displayWidth(label(v, &v.Items[i])))
	}
	return n
}

// leastWidth returns the width of a complete list with short bars, plus two columns to its
// neighbour.
func leastWidth(v *metric.Value) int {
	return max(countWidth(v)+1+shareWidth+1+leastBar+1+nameWidth(v), displayWidth(Words(v.Path...))) + 2
}

// label returns the displayed name of an entry. The DNS root is a dot. pktvisor's name of a
// response code is replaced by the name in the RFC.
func label(v *metric.Value, it *metric.Item) string {
	switch {
	case it.Name == "":
		return "."
	case it.Name == "SRVFAIL" && v.Label == "rcode":
		return "SERVFAIL"
	}
	return Readable(it.Name)
}

// list returns the lines of a list, each of the given width: an empty one, the title, then count,
// share, bar and name of each entry. Bars are shortened or omitted if the names need the space.
func (t *text) list(v *metric.Value, width int) []string {
	lines := []string{"", t.style.name + cut(Words(v.Path...), width-2) + t.style.end}
	digits := countWidth(v)
	room := width - 2 - digits - 1 - shareWidth - 1 // width of bar and name
	bars := min(barWidth, room-1-nameWidth(v))
	if bars < leastBar {
		bars = -1
	}
	most := uint64(1)
	for _, it := range v.Items {
		most = max(most, it.Estimate)
	}
	for i := range v.Items {
		it := &v.Items[i]
		line := fmt.Sprintf("%*s %*s ", digits, thousands(it.Estimate), shareWidth, share(it.Estimate, v.Total))
		if bars > 0 {
			line += t.style.bar + bar(it.Estimate, most, bars) + t.style.end + " "
		}
		lines = append(lines, line+cut(label(v, it), room-bars-1))
	}
	return lines
}

// share formats n as a percentage of of.
func share(n, of uint64) string {
	if of == 0 || n >= of {
		return "100%"
	}
	return fmt.Sprintf("%.1f%%", float64(n)/float64(of)*100)
}

// bar draws n as a bar relative to most, with a resolution of an eighth of a block.
func bar(n, most uint64, width int) string {
	eighths := int(float64(n)/float64(most)*float64(width*8) + 0.5)
	eighths = min(max(eighths, 1), width*8)
	s := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		s += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return pad(s, width)
}

package export

import (
	"slices"
	"strings"

	"visor/handler"
	"visor/handler/metric"
)

// missing returns the names of metrics that m lacks a value for, because values did not merge or
// are of a kind that this program does not read.
func missing(m *handler.Module, values []metric.Value) []string {
	names := slices.Clone(m.LeftOut)
	for i := range values {
		if v := &values[i]; v.Kind == metric.KindUnknown && !slices.Contains(names, v.Prom) {
			names = append(names, v.Prom)
		}
	}
	return names
}

// missing writes a paragraph about the metrics without a value.
func (t *text) missing(names []string) {
	if len(names) == 0 {
		return
	}
	t.line("")
	line := ""
	for word := range strings.FieldsSeq("left out, because of several hash keys or unknown to this program: " + strings.Join(names, ", ")) {
		if line != "" && displayWidth(line)+1+displayWidth(word) > t.width {
			t.line(line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += cut(word, t.width)
	}
	t.line(line)
}

package warehouse

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"visor/handler"
	"visor/handler/metric"
	"visor/sketch"
)

// compression of the t-digests: their error in rank is below 1.5 percent, in 20 kB of text at most.
const compression = 100

// row is a row on its way to a table.
type row struct {
	insert  string // the statement
	module  string
	metric  string
	subject string // names from the outermost subject, separated by "|"; "" without
	start   time.Time
	seconds int
	value   string
	hashKey string // of a cardinality
}

// rowsOf returns the rows of all modules that have begun.
func rowsOf(s *handler.Snapshot) (rows []row) {
	for i := range s.Modules {
		m := &s.Modules[i]
		if m.Start.IsZero() {
			continue
		}
		for _, v := range m.Sketched() {
			r := row{module: m.Name, metric: v.Prom, subject: subjectOf(&v), start: m.Start.UTC(), seconds: int(m.Length / time.Second)}
			if r.fill(&v, m) {
				rows = append(rows, r)
			}
		}
	}
	return rows
}

// fill sets the value of r. It returns false for metrics without a table: lists, rates, histograms
// and gauges, and quantiles without samples.
func (r *row) fill(v *metric.Value, m *handler.Module) bool {
	switch s := v.Sketch.(type) {
	case *sketch.Cardinality:
		data, _ := s.MarshalBinary() // never fails
		r.insert, r.value, r.hashKey = insertDistinct, `\x`+hex.EncodeToString(data), m.HashID.String()
		return true
	case *sketch.Quantile:
		if s.Count() == 0 {
			return false
		}
		r.insert, r.value = insertQuantile, string(sketch.AppendTDigest(nil, s.TDigest(compression)))
		return true
	}
	if v.Kind == metric.KindCounter {
		r.insert, r.value = insertCount, strconv.FormatUint(v.Int, 10)
	}
	return v.Kind == metric.KindCounter
}

// subjectOf returns the subject of v. The last label has the names of the outer subjects, too.
func subjectOf(v *metric.Value) string {
	if len(v.Labels) == 0 {
		return ""
	}
	return strings.ToValidUTF8(strings.ReplaceAll(v.Labels[len(v.Labels)-1].Value, "\x00", ""), "\uFFFD")
}

// arguments returns the arguments of the statement.
func (r *row) arguments(agent, policy string) []any {
	args := []any{agent, policy, r.module, r.metric, r.subject, r.start, r.seconds, r.value}
	if r.insert == insertDistinct {
		args = append(args, r.hashKey)
	}
	return args
}

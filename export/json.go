package export

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"visor/handler"
	"visor/handler/metric"
)

// WriteJSON writes s to w as one line in the format of pktvisor-reader: {"1m":{"<schema>":{…},…}}
// for a single bucket, {"5m":{…}} for a window of five. The key is in seconds if the periods are
// not whole minutes. Keys are in byte order. If two modules have the same schema, all schemas are
// below the names of their modules, as in [WritePoliciesJSON].
func WriteJSON(w io.Writer, s *handler.Snapshot) error {
	if shared(s) {
		return write(w, object{window(s): moduleObjects(s)})
	}
	return write(w, object{window(s): schemaObjects(s)})
}

// shared reports whether two modules that are shown have the same schema.
func shared(s *handler.Snapshot) bool {
	seen := make(map[string]bool)
	for i := range s.Modules {
		if m := &s.Modules[i]; !m.Silent() {
			if seen[m.Schema] {
				return true
			}
			seen[m.Schema] = true
		}
	}
	return false
}

// window returns the length of s, in minutes if these are whole.
func window(s *handler.Snapshot) string {
	covered := time.Duration(max(s.Window, 1)) * cmp.Or(s.Period, handler.PeriodLength)
	if covered%time.Minute != 0 {
		return fmt.Sprintf("%ds", covered/time.Second)
	}
	return fmt.Sprintf("%dm", covered/time.Minute)
}

// schemaObjects returns the metrics by schema. Of modules with the same one, the last wins.
func schemaObjects(s *handler.Snapshot) object {
	schemas := make(object)
	for i := range s.Modules {
		if m := &s.Modules[i]; !m.Silent() {
			schemas[m.Schema] = moduleObject(m)
		}
	}
	return schemas
}

// WriteDefaultJSON is [WriteJSON] in the format of pktvisor's routes for its default policy. For a
// single bucket it repeats the period of the first schema beside the schemas.
func WriteDefaultJSON(w io.Writer, s *handler.Snapshot) error {
	schemas := schemaObjects(s)
	if s.Window == 0 {
		for i := range s.Modules {
			if m := &s.Modules[i]; !m.Silent() {
				schemas["period"] = periodObject(m)
				break
			}
		}
	}
	return write(w, object{window(s): schemas})
}

// WritePoliciesJSON writes the answers of policies as
// {"<policy>":{"<module>":{"<schema>":{…}},…},…}, the format of the per-policy routes of
// pktvisor's API.
func WritePoliciesJSON(w io.Writer, policies map[string]*handler.Snapshot) error {
	all := make(object)
	for name, s := range policies {
		all[name] = moduleObjects(s)
	}
	return write(w, all)
}

func moduleObjects(s *handler.Snapshot) object {
	modules := make(object)
	for i := range s.Modules {
		if m := &s.Modules[i]; !m.Silent() {
			modules[m.Name] = object{m.Schema: moduleObject(m)}
		}
	}
	return modules
}

type object = map[string]any

func write(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // as pktvisor; the output is not HTML
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// moduleObject returns the metrics of m and their period.
func moduleObject(m *handler.Module) object {
	root := make(object)
	for _, v := range m.Values() {
		if val := jsonValue(&v); val != nil {
			place(root, v.Path, val)
		}
	}
	root["period"] = periodObject(m)
	return root
}

func periodObject(m *handler.Module) object {
	start := int64(0)
	if !m.Start.IsZero() {
		start = m.Start.Unix()
	}
	return object{"start_ts": start, "length": int64(m.Length.Seconds())}
}

// place puts val at path and creates the objects on the way. Two metrics may share an object: the
// rate "rates.total" is next to others in "rates".
func place(root object, path []string, val any) {
	last := len(path) - 1
	for _, name := range path[:last] {
		next, ok := root[name].(object)
		if !ok {
			next = make(object)
			root[name] = next
		}
		root = next
	}
	root[path[last]] = val
}

// jsonValue returns the JSON value of v, or nil if v is omitted because it has no samples.
func jsonValue(v *metric.Value) any {
	switch v.Kind {
	case metric.KindTop:
		if v.Items == nil {
			return []metric.Item{} // not null
		}
		for i := range v.Items {
			v.Items[i].Name = strings.ToValidUTF8(v.Items[i].Name, "\uFFFD")
		}
		return v.Items
	case metric.KindQuantile:
		if v.Quantiles.N == 0 {
			return nil
		}
		return quantileObject(&v.Quantiles, v.Float)
	case metric.KindRate:
		return quantileObject(&v.Quantiles, v.Float)
	case metric.KindHistogram:
		return histogramObject(v.Bins)
	case metric.KindUnknown:
		return "unknown"
	}
	return v.Int
}

func quantileObject(q *metric.Quantiles, float bool) object {
	o := object{"p50": number(q.P50, float), "p90": number(q.P90, float), "p95": number(q.P95, float), "p99": number(q.P99, float)}
	if q.HasLive {
		o["live"] = q.Live
	}
	return o
}

func histogramObject(bins []metric.Bin) any {
	if len(bins) == 0 {
		return nil
	}
	o := make(object)
	for _, b := range bins {
		o[b.Le] = number(float64(b.Count), true)
	}
	return object{"buckets": o}
}

// number formats f as an integer, or with a fraction, even if that is zero.
func number(f float64, float bool) json.Number {
	if !float {
		return json.Number(strconv.FormatFloat(math.Round(f), 'f', 0, 64))
	}
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return json.Number(s)
}

package compat_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/dnstap"
	"visor/capture/pcapfile"
	"visor/decode"
	"visor/export"
	"visor/export/prom"
	"visor/geo"
	"visor/handler"
	"visor/handler/flow"
	"visor/handler/metric"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
	"visor/internal/schematest"
	"visor/internal/sharedtest"
	"visor/sketch"
)

// expectation is one entry of expected-values.json.
type expectation struct {
	ID      string `json:"id"`
	Fixture string `json:"fixture"`
	Handler string `json:"handler"`
	Input   string `json:"input"`
	Metrics string `json:"metrics"`
	Config  struct {
		TapConfig    map[string]any `json:"tap_config"`
		WindowConfig map[string]any `json:"window_config"`
		Modules      []struct {
			Name    string         `json:"name"`
			Type    string         `json:"type"`
			Version string         `json:"require_version"`
			Config  map[string]any `json:"config"`
			Groups  struct {
				Enable  []string `json:"enable"`
				Disable []string `json:"disable"`
			} `json:"metric_groups"`
		} `json:"modules"`
		Mode    string `json:"modules_mode"`
		GeoCity string `json:"geo_city"`
		GeoASN  string `json:"geo_asn"`
		Ports   string `json:"iana_service_port_registry"`
	} `json:"config"`
	Expect []assertion `json:"expect"`
}

type assertion struct {
	Path     string   `json:"path"`
	Pointer  string   `json:"pointer"`
	Pointers []string `json:"pointers"`
	Op       string   `json:"op"`
	Value    any      `json:"value"`
	Module   string   `json:"module"`
	Tied     bool     `json:"tie_sensitive"`
}

// modules returns the handlers that the entry needs.
var ours = regexp.MustCompile(`^((net@[12]\.0|dns@[12]\.0|dhcp|bgp|pcap|flow|input_resources)(>|$))+$`)

// TestExpectedValues runs every entry of pktvisor's expected values that concerns visor's handlers.
func TestExpectedValues(t *testing.T) {
	raw, err := os.ReadFile(sharedtest.Dir(t, "reference", "expected-values.json"))
	require.NoError(t, err)
	var all []expectation
	require.NoError(t, json.Unmarshal(raw, &all))
	reasons := differences(t, "testdata/expected-differences.tsv")
	run := 0
	for _, e := range all {
		if e.Input == "synthetic" || e.Input == "netprobe" || !ours.MatchString(e.Handler) {
			continue
		}
		run++
		t.Run(e.ID, func(t *testing.T) { checkEntry(t, &e, reasons) })
	}
	require.GreaterOrEqual(t, run, 50, "entries found")
	reasons.requireAllUsed(t)
}

func checkEntry(t *testing.T, e *expectation, reasons *reasonTable) {
	snap, err := runEntry(t, e)
	var docs map[string]any
	if err == nil {
		docs = moduleDocs(t, snap)
	}
	for _, a := range e.Expect {
		problem := check(t, e, snap, docs, err, a)
		key := e.ID + " " + a.Path
		if why := reasons.use(key, problem != ""); why != "" {
			continue
		}
		if problem != "" {
			t.Errorf("%s %s %s %v: %s", a.Module, a.Path, a.Op, a.Value, problem)
		}
	}
}

// runEntry builds the entry's modules and runs its fixture through them.
func runEntry(t *testing.T, e *expectation) (*handler.Snapshot, error) {
	cfg := handler.Config{Sequence: e.Config.Mode == "sequence", Fallback: nil}
	env := policy.Env{Geo: openGeo(t, e.Config.GeoCity, e.Config.GeoASN)}
	if e.Config.Ports != "" {
		env.Services = openServices(t)
	}
	for _, m := range e.Config.Modules {
		opts := toOptions(m.Config)
		for k, v := range toOptions(e.Config.WindowConfig) {
			opts[k] = v
		}
		h, err := builtin.Catalog().Build(policy.Module{
			Name: m.Name, Type: m.Type, Version: m.Version, Config: opts, Enable: m.Groups.Enable, Disable: m.Groups.Disable,
		}, env)
		if err != nil {
			return nil, err
		}
		cfg.Handlers = append(cfg.Handlers, h)
	}
	if limit, ok := e.Config.TapConfig["tcp_packet_reassembly_cache_limit"].(float64); ok {
		cfg.MaxConns = int(limit)
	}
	if spec, ok := e.Config.TapConfig["host_spec"].(string); ok {
		hosts, err := decode.ParseNetSet(spec)
		if err != nil {
			return nil, err
		}
		cfg.Hosts = hosts
	}
	path := filepath.Join(sharedtest.Dir(t, "corpus", "pktvisor"), filepath.Base(e.Fixture))
	if _, err := os.Stat(path); err != nil {
		t.Skipf("skipped: the fixture %s is not on this machine", path)
	}
	runs, metrics := 1, e.Metrics
	if metrics == "merge_of_two_runs" {
		runs, metrics = 2, "bucket/0"
	}
	for range runs {
		src, err := openFixture(path, e.Input)
		require.NoError(t, err)
		cfg.Sources = append(cfg.Sources, src)
	}
	return runPipeline(t, cfg, metrics)
}

// runPipeline runs cfg to the end and returns the snapshot that metrics ("bucket/0", "window/5")
// selects.
func openFixture(path, input string) (capture.Source, error) {
	if input == "dnstap" {
		return dnstap.Open(path)
	}
	return pcapfile.Open(path)
}

func runPipeline(t *testing.T, cfg handler.Config, metrics string) (*handler.Snapshot, error) {
	p, err := handler.NewPipeline(cfg)
	require.NoError(t, err)
	var damaged *capture.FileError // the fixture ends within a frame; the frames before count
	if err := p.Run(context.Background()); !errors.As(err, &damaged) {
		require.NoError(t, err)
	}
	kind, number, _ := strings.Cut(metrics, "/")
	n, err := strconv.Atoi(number)
	require.NoError(t, err)
	if kind == "window" {
		return p.Window(n)
	}
	return p.Bucket(n)
}

func openGeo(t *testing.T, city, asn string) *geo.DB {
	if city == "" && asn == "" {
		return nil
	}
	dir := sharedtest.Dir(t, "corpus", "geo")
	cfg := geo.Config{}
	if city != "" {
		cfg.CityPath = filepath.Join(dir, filepath.Base(city))
	}
	if asn != "" {
		cfg.ASNPath = filepath.Join(dir, filepath.Base(asn))
	}
	db, err := geo.Open(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

func openServices(t *testing.T) *flow.Services {
	s, err := flow.OpenServices(sharedtest.Dir(t, "corpus", "pktvisor", "pktvisor-port-service-names.csv"))
	require.NoError(t, err)
	return s
}

// toOptions types values like pktvisor's YAML reader.
func toOptions(m map[string]any) policy.Options {
	opts := policy.Options{}
	for k, v := range m {
		switch v := v.(type) {
		case float64:
			opts[k] = uint64(v)
		case []any:
			opts[k] = texts(v)
		case map[string]any:
			opts[k] = toOptions(v)
		default:
			opts[k] = v
		}
	}
	return opts
}

// moduleDocs returns the JSON of each module, by its name. All of it must fit the schemas.
func moduleDocs(t *testing.T, snap *handler.Snapshot) map[string]any {
	schematest.Validate(t, snap)
	var b bytes.Buffer
	require.NoError(t, export.WritePoliciesJSON(&b, map[string]*handler.Snapshot{"p": snap}))
	var doc map[string]map[string]any
	require.NoError(t, json.Unmarshal(b.Bytes(), &doc))
	return doc["p"]
}

// check returns an error text for the assertion, or "".
func check(t *testing.T, e *expectation, snap *handler.Snapshot, docs map[string]any, err error, a assertion) string {
	switch a.Op {
	case "error":
		if err == nil || !strings.Contains(err.Error(), a.Value.(string)) {
			return fmt.Sprintf("got error %v", err)
		}
		return ""
	case "ok":
		return complaint(err == nil, "got error %v", err)
	}
	if err != nil {
		return err.Error()
	}
	name := a.Module
	if name == "" {
		name = e.Config.Modules[0].Name
	}
	switch a.Op {
	case "prom_line":
		// HELP texts are free (metrics.md, head): only their presence is checked.
		line, _ := a.Value.(string)
		if fields := strings.Fields(line); fields[1] == "HELP" {
			line = strings.Join(fields[:3], " ") + " "
		}
		return complaint(strings.Contains(promText(t, snap), line), "no such line")
	case "prom_contains", "otel_value==", "otel_sum==":
		return checkDeclared(snap, a)
	case "merged_equals_sum_of_parts":
		one := *e
		one.Metrics = "bucket/0"
		half, err := runEntry(t, &one)
		a.Op, a.Value = "otel_sum==", 2*sumOf(half, strings.TrimPrefix(a.Path, "$otel."))
		return complaint(err == nil && a.Value != uint64(0), "got error %v, value %v", err, a.Value) + checkDeclared(snap, a)
	case "sum==":
		sum := 0.0
		for _, p := range a.Pointers {
			v, _ := at(docs[name], p)
			f, _ := v.(float64)
			sum += f
		}
		return complaint(sum == a.Value, "got %v", sum)
	}
	got, found := at(docs[name], a.Pointer)
	return compare(a, got, found)
}

func compare(a assertion, got any, found bool) string {
	switch a.Op {
	case "absent":
		return complaint(!found, "got %v", got)
	case "present":
		return complaint(found, "missing")
	case "only_keys":
		obj, _ := got.(map[string]any)
		var extra []string
		for k := range obj {
			if !slices.Contains(a.Value.([]any), any(k)) {
				extra = append(extra, k)
			}
		}
		slices.Sort(extra)
		return complaint(len(extra) == 0, "also has %v", extra)
	case "==":
		if f, ok := got.(float64); ok && strings.Contains(a.Pointer, "/cardinality/qname") {
			// Three standard errors of visor's sketch; up to 1024 it is exact.
			return complaint(math.Abs(f-a.Value.(float64)) <= math.Floor(3*0.0081*f), "got %v", got)
		}
		return complaint(found && got == a.Value, "got %v", got)
	case "contains":
		text, _ := got.(string)
		return complaint(strings.Contains(text, a.Value.(string)), "got %v", got)
	case ">=":
		f, _ := got.(float64)
		return complaint(found && f >= a.Value.(float64), "got %v", got)
	case "len==":
		list, _ := got.([]any)
		return complaint(float64(len(list)) == a.Value, "got %d", len(list))
	}
	return "unknown operator"
}

// promText returns the metrics of a snapshot in the form for Prometheus.
func promText(t *testing.T, snap *handler.Snapshot) string {
	var b strings.Builder
	require.NoError(t, prom.WriteText(&b, export.Families(snap, prom.Config{})))
	return b.String()
}

var promLine = regexp.MustCompile(`^(\w+)\{\} (\d+)$`)

// checkDeclared checks a Prometheus line, or an OTLP value, against the declaration that exporters
// use for names and values.
func checkDeclared(snap *handler.Snapshot, a assertion) string {
	name, want := strings.TrimPrefix(a.Path, "$otel."), fmt.Sprint(a.Value)
	if a.Op == "prom_contains" {
		m := promLine.FindStringSubmatch(want)
		if m == nil { // a prefix of a name, or all of it
			return complaint(slices.ContainsFunc(values(snap), func(v metric.Value) bool { return strings.HasPrefix(v.Prom+"{", want) }), "no such name")
		}
		name, want = m[1], m[2]
	}
	sum := sumOf(snap, name)
	found := slices.ContainsFunc(values(snap), func(v metric.Value) bool { return v.Prom == name })
	return complaint((found || a.Op == "otel_sum==") && fmt.Sprint(sum) == want, "got %d, found %v", sum, found)
}

// sumOf adds up all series of a metric.
func sumOf(snap *handler.Snapshot, name string) (sum uint64) {
	for _, v := range values(snap) {
		if v.Prom == name {
			sum += v.Int
		}
	}
	return sum
}

func values(snap *handler.Snapshot) (out []metric.Value) {
	for i := range snap.Modules {
		out = append(out, snap.Modules[i].Values()...)
	}
	return out
}

func complaint(ok bool, format string, args ...any) string {
	if ok {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

// at follows a JSON pointer (RFC 6901).
func at(doc any, pointer string) (any, bool) {
	if pointer == "" || pointer == "/" {
		return doc, doc != nil
	}
	for _, part := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		switch d := doc.(type) {
		case map[string]any:
			v, ok := d[part]
			if !ok {
				return nil, false
			}
			doc = v
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i >= len(d) {
				return nil, false
			}
			doc = d[i]
		default:
			return nil, false
		}
	}
	return doc, true
}

// TestExpectedSketch runs the entry about a list of items: the source ports of all UDP packets of a
// fixture.
func TestExpectedSketch(t *testing.T) {
	run := 0
	for _, raw := range readEntries(t) {
		var e expectation
		require.NoError(t, json.Unmarshal(raw, &e))
		if e.Metrics != "sketch" {
			continue
		}
		run++
		var ports sketch.TopCounts[uint16]
		src, err := openFixture(filepath.Join(sharedtest.Dir(t, "corpus", "pktvisor"), filepath.Base(e.Fixture)), "pcap")
		require.NoError(t, err)
		decoder := decode.NewDecoder(decode.Config{})
		var b capture.Batch
		for src.ReadBatch(&b) == nil {
			for _, f := range b.Frames {
				p := decode.Packet{Frame: f.Data, WireLen: f.WireLen, Link: f.Link}
				require.NoError(t, decoder.Decode(&p))
				if p.Layers.Has(decode.LayerUDP) {
					ports.Add(p.Src.Port(), 1)
				}
			}
		}
		top := ports.Top(10)
		got := map[string]any{"$items[0].name": float64(top[0].Key), "$items[0].estimate": float64(top[0].Upper)}
		for _, a := range e.Expect {
			// five is the capacity of the smallest table of pktvisor's sketch; there are more ports
			if a.Path == "$items" {
				require.Greater(t, float64(len(top)), a.Value)
				continue
			}
			require.Equal(t, a.Value, got[a.Path], "%s %s", e.ID, a.Path)
		}
	}
	require.Equal(t, 1, run)
}

package compat_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
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
	"visor/capture/filter"
	"visor/capture/gopkt"
	"visor/decode"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/network"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
	"visor/internal/racetest"
	"visor/internal/schematest"
	"visor/internal/sharedtest"
	"visor/sketch"
)

// oracle compares documents of visor with pktvisor's.
type oracle struct {
	reasons *reasonTable
	// modules whose metrics were compared with pktvisor's text
	prometheus int
	// fixture and JSON path to pktvisor's least and greatest answer
	spread map[string][2]float64
	// JSON path to visor's distribution, where spread lacks the path
	quantiles map[string]*sketch.Quantile
}

func newOracle(t *testing.T) *oracle {
	o := &oracle{reasons: differences(t, "testdata/oracle-differences.tsv"), spread: make(map[string][2]float64)}
	for _, row := range table(t, sharedtest.Dir(t, "reference", "oracle", "QUANTILE_SPREAD.tsv")) {
		low, err := strconv.ParseFloat(row["min"], 64)
		require.NoError(t, err)
		high, err := strconv.ParseFloat(row["max"], 64)
		require.NoError(t, err)
		o.spread[row["fixture"]+row["field"]] = [2]float64{low, high}
	}
	return o
}

// table reads a file of tab-separated values whose first line names the columns.
func table(t *testing.T, path string) (rows []map[string]string) {
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes = '\t', true
	head, err := r.Read()
	require.NoError(t, err)
	for {
		rec, err := r.Read()
		if err == io.EOF {
			return rows
		}
		require.NoError(t, err)
		row := make(map[string]string)
		for i, name := range head {
			row[name] = rec[i]
		}
		rows = append(rows, row)
	}
}

// TestOracle runs pktvisor's policies over its fixtures and compares the answers: the reader's, and
// the agent's with every filter and metric group of the handlers that visor has.
func TestOracle(t *testing.T) {
	racetest.SkipLong(t)
	o := newOracle(t)
	t.Run("reader", func(t *testing.T) { o.reader(t) })
	t.Run("policy", func(t *testing.T) { o.policies(t) })
	require.Greater(t, o.prometheus, 30)
	o.reasons.requireAllUsed(t)
}

func (o *oracle) reader(t *testing.T) {
	dir := sharedtest.Dir(t, "reference", "oracle", "reader")
	run := 0
	for _, row := range table(t, filepath.Join(dir, "INDEX.tsv")) {
		args := strings.Fields(row["reader_args"])
		if row["exit_code"] != "0" || foreign(args) || strings.HasPrefix(row["oracle_file"], "big_") {
			continue
		}
		run++
		name := row["oracle_file"]
		t.Run(name, func(t *testing.T) {
			var want map[string]map[string]any
			readJSON(t, filepath.Join(dir, name), &want)
			cfg, periods := readerConfig(t, args)
			metrics := "window/" + strconv.Itoa(periods)
			if periods == 1 {
				metrics = "bucket/0"
			}
			snap, err := runPipeline(t, cfg, metrics)
			require.NoError(t, err)
			for module, doc := range moduleDocs(t, snap) {
				schema := doc.(map[string]any)
				key := "1m"
				if periods > 1 {
					key = fmt.Sprintf("%dm", periods)
				}
				for s, got := range schema {
					o.compare(t, "reader/"+name+" "+module, args[len(args)-1], s, want[key][s], got)
				}
			}
		})
	}
	require.Greater(t, run, 30)
}

// foreign reports whether args name an input that visor does not have.
func foreign(args []string) bool {
	i := slices.Index(args, "-i")
	return i >= 0 && args[i+1] != "dnstap"
}

// readerConfig interprets arguments like pktvisor-reader.
func readerConfig(t *testing.T, args []string) (handler.Config, int) {
	cfg := handler.Config{Fallback: gopkt.Fallback{}}
	opts := policy.Options{"num_periods": uint64(5)}
	var city, asn, input, expr string
	for i := 0; i+1 < len(args); i += 2 {
		value := args[i+1]
		switch args[i] {
		case "--periods":
			n, err := strconv.Atoi(value)
			require.NoError(t, err)
			opts["num_periods"] = uint64(n)
		case "-H":
			hosts, err := decode.ParseNetSet(value)
			require.NoError(t, err)
			cfg.Hosts = hosts
		case "-b": // of several words, before the file
			expr = strings.Join(args[i+1:len(args)-1], " ")
			i = len(args)
		case "-i":
			input = value
		case "--geo-city":
			city = value
		case "--geo-asn":
			asn = value
		case "--max-deep-sample":
			n, err := strconv.Atoi(value)
			require.NoError(t, err)
			opts["deep_sample_rate"] = uint64(n)
		default:
			t.Fatalf("unknown argument %s", args[i])
		}
	}
	env := policy.Env{Geo: openGeo(t, city, asn)}
	types := []string{"net", "dns", "dhcp"}
	if input == "dnstap" {
		types = types[:2]
	}
	for _, typ := range types {
		h, err := builtin.Catalog().Build(policy.Module{Type: typ, Config: opts}, env)
		require.NoError(t, err)
		cfg.Handlers = append(cfg.Handlers, h)
	}
	src := fixture(t, args[len(args)-1], input)
	if expr != "" {
		var err error
		src, err = filter.NewSource(src, expr)
		require.NoError(t, err)
	}
	cfg.Sources = []capture.Source{src}
	return cfg, int(opts["num_periods"].(uint64))
}

func fixture(t *testing.T, name, input string) capture.Source {
	src, err := openFixture(filepath.Join(sharedtest.Dir(t, "corpus", "pktvisor"), filepath.Base(name)), input)
	require.NoError(t, err)
	return src
}

func (o *oracle) policies(t *testing.T) {
	dir := sharedtest.Dir(t, "reference", "oracle", "policy")
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	require.NoError(t, err)
	run := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		doc, err := builtin.Catalog().Parse(raw)
		require.NoError(t, err, file)
		stem := strings.TrimSuffix(filepath.Base(file), ".yaml")
		for i := range doc.Policies {
			pol := &doc.Policies[i]
			name := pol.Name
			for _, metrics := range []string{"bucket/0", "window/5"} {
				// one policy file was run without databases and with them
				for _, variant := range []string{"", "geo."} {
					answer := fmt.Sprintf("%s.%s%s.%s.json", stem, variant, name, strings.ReplaceAll(metrics, "/", ""))
					if _, err := os.Stat(filepath.Join(dir, answer)); err == nil && o.policy(t, doc, pol, metrics, dir, answer) {
						run++
					}
				}
			}
		}
	}
	require.Greater(t, run, 100)
}

// policy compares the answer of one policy. It returns false if it cannot be compared.
func (o *oracle) policy(t *testing.T, doc *policy.Document, p *policy.Policy, metrics, dir, answer string) bool {
	name := p.Name
	tap := doc.Taps[slices.IndexFunc(doc.Taps, func(tap policy.Tap) bool { return tap.Name == p.Input.Tap })]
	path, _ := tap.Config[map[string]string{"pcap": "pcap_file", "dnstap": "dnstap_file", "flow": "pcap_file"}[tap.InputType]].(string)
	if path == "" || tap.InputType == "dnstap" && !comparableTap(name) {
		return false
	}
	cfg := handler.Config{Fallback: gopkt.Fallback{}}
	cfg.Handlers, cfg.Sequence = modules(t, p, oracleEnv(t, answer)), p.Sequence
	t.Run(answer, func(t *testing.T) {
		if spec, ok := tap.Config["host_spec"].(string); ok {
			hosts, err := decode.ParseNetSet(spec)
			require.NoError(t, err)
			cfg.Hosts = hosts
		}
		cfg.Sources = []capture.Source{fixture(t, path, tap.InputType)}
		snap, err := runPipeline(t, cfg, metrics)
		require.NoError(t, err)
		var want map[string]map[string]map[string]any
		readJSON(t, filepath.Join(dir, answer), &want)
		o.comparePrometheus(t, snap, dir, answer, filepath.Base(path), name, p.Input.Tap)
		docs := moduleDocs(t, snap)
		o.quantiles = transactionQuantiles(snap)
		for _, h := range cfg.Handlers {
			module, schema := h.Info().Name, h.Info().Schema
			instance := fmt.Sprintf("%s-%s-%s", name, p.Input.Tap, module)
			got, _ := docs[module].(map[string]any)
			// pktvisor's answers fit visor's schemas, except that pktvisor writes null for a
			// direction without content.
			if reference := want[name][instance][schema]; reference != nil && !strings.Contains(answer, "dns2_g_quantiles") {
				info := h.Info()
				info.Groups = 0
				require.NoError(t, schematest.Compile(t, info).Validate(reference), answer)
			}
			o.compare(t, answer+" "+module, filepath.Base(path), schema, want[name][instance][schema], got[schema])
		}
	})
	return true
}

// comparableTap reports whether a policy over dnstap can be compared. It must have a single period,
// since pktvisor puts all of a file into the period of its clock (algorithms.md 2.4). It must not
// use only_hosts, which rejects all messages there (faults.md 10).
func comparableTap(policy string) bool {
	return strings.HasSuffix(policy, "1") && !strings.Contains(policy, "only_hosts")
}

// oracleEnv returns the environment of an answer of pktvisor, as its name states.
func oracleEnv(t *testing.T, answer string) (env policy.Env) {
	if strings.Contains(answer, ".geo.") {
		env.Geo = openGeo(t, "GeoIP2-City-Test.mmdb", "GeoIP2-ISP-Test.mmdb")
	}
	if strings.Contains(answer, ".iana-pktvisor.") {
		env.Services = openServices(t)
	}
	return env
}

// modules builds the modules of a policy.
func modules(t *testing.T, p *policy.Policy, env policy.Env) (out []handler.Handler) {
	for _, m := range p.Modules {
		opts := policy.Options{}
		maps.Copy(opts, m.Config)
		maps.Copy(opts, p.Window)
		m.Config = opts
		h, err := builtin.Catalog().Build(m, env)
		require.NoError(t, err)
		out = append(out, h)
	}
	return out
}

func texts(list []any) (out []string) {
	for _, item := range list {
		out = append(out, fmt.Sprint(item))
	}
	return out
}

func readJSON(t *testing.T, path string, v any) {
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, v), path)
}

// compare compares two documents of the same module. It looks up permitted differences as "<where>
// <path>", where <where> is an answer, a fixture or "*", and <path> may be a parent's path.
func (o *oracle) compare(t *testing.T, where, fixture, schema string, want, got any) {
	o.walk("."+schema, want, got, func(path, problem string) {
		for at := path; at != ""; at = at[:strings.LastIndexByte(at, '.')] {
			for _, place := range []string{where, fixture, "*"} {
				if o.reasons.use(place+" "+at, true) != "" {
					return
				}
			}
		}
		t.Errorf("%s %s: %s", where, path, problem)
	}, fixture)
}

func (o *oracle) walk(path string, want, got any, report func(path, problem string), fixture string) {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			report(path, fmt.Sprintf("reference has an object, visor %v", got))
			return
		}
		if strings.HasSuffix(path, ".buckets") {
			if problem := diffBuckets(w, g); problem != "" {
				report(path, problem)
			}
			return
		}
		for k := range g {
			if _, ok := w[k]; !ok {
				report(path+"."+k, fmt.Sprintf("only visor has it: %v", g[k]))
			}
		}
		for k := range w {
			if _, ok := g[k]; !ok {
				report(path+"."+k, fmt.Sprintf("only the reference has it: %v", w[k]))
				continue
			}
			o.walk(path+"."+k, w[k], g[k], report, fixture)
		}
	case []any:
		if problem := diffTop(w, got); problem != "" {
			report(path, problem)
		}
	case float64:
		g, ok := got.(float64)
		if !ok || !o.near(path, fixture, w, g) {
			report(path, fmt.Sprintf("reference %v, visor %v", want, got))
		}
	default:
		if fmt.Sprint(want) != fmt.Sprint(got) {
			report(path, fmt.Sprintf("reference %v, visor %v", want, got))
		}
	}
}

// kllError is the error in rank of a KLL sketch with k = 200 that has more values than that
// (Karnin, Lang, Liberty 2016).
const kllError = 0.0165

// diffBuckets compares the cumulative counts of two histograms at all bounds of either. pktvisor
// uses a KLL sketch with k = 200: exact up to 200 values, then within kllError of their number.
func diffBuckets(want, got map[string]any) string {
	bounds := make(map[float64]string)
	for _, m := range []map[string]any{want, got} {
		for k := range m {
			f, err := strconv.ParseFloat(k, 64)
			if err != nil {
				return "bound " + k
			}
			bounds[f] = k
		}
	}
	total, _ := want["+Inf"].(float64)
	slack := 0.0
	if total > 200 {
		slack = kllError * total
	}
	var w, g float64 // a bound without an entry has the count of the next lower one
	for _, f := range slices.Sorted(maps.Keys(bounds)) {
		if v, ok := want[bounds[f]].(float64); ok {
			w = v
		}
		if v, ok := got[bounds[f]].(float64); ok {
			g = v
		}
		if math.Abs(w-g) > slack+1e-6 || math.IsInf(f, 1) && w != g {
			return fmt.Sprintf("up to %s: reference %v, visor %v", bounds[f], w, g)
		}
	}
	return ""
}

// transactionQuantiles returns the distributions of version 2.0 by their JSON paths.
func transactionQuantiles(snap *handler.Snapshot) map[string]*sketch.Quantile {
	out := make(map[string]*sketch.Quantile)
	if m := network.FromByDirection(snap); m != nil {
		for dir, d := range m.Directions.All() {
			out[".net."+dir+".payload_size_bytes"] = &d.PayloadSize
		}
	}
	if m := dns.FromTransactions(snap); m != nil {
		for dir, d := range m.Directions.All() {
			out[".dns."+dir+".xact_time_us"], out[".dns."+dir+".response_query_size_ratio"] = &d.Time, &d.Ratio
		}
	}
	return out
}

var quantilePath = regexp.MustCompile(`\.(quantiles|quantiles_us|payload_size|payload_size_bytes|xact_time_us|response_query_size_ratio)\.`)

// near reports whether got is as close to want as the sketches promise. Counters are equal.
// Cardinalities are within three standard errors of pktvisor's sketch (1.5 %); visor's are exact up
// to 1024. Quantiles are within pktvisor's variation between runs plus visor's 0.1 %.
func (o *oracle) near(path, fixture string, want, got float64) bool {
	switch {
	case strings.Contains(path, ".cardinality."):
		return math.Abs(want-got) <= math.Round(3*0.015*want)
	case quantilePath.MatchString(path):
		low, high := want, want
		if s, ok := o.spread[fixture+path]; ok {
			low, high = min(low, s[0]), max(high, s[1])
		}
		if q, ok := o.quantiles[path[:strings.LastIndexByte(path, '.')]]; ok && q.Count() > 200 {
			rank, err := strconv.ParseFloat(path[strings.LastIndexByte(path, '.')+2:], 64)
			return err == nil && want >= q.Quantile(max(0, rank/100-kllError))*0.999-0.5 && want <= q.Quantile(min(1, rank/100+kllError))*1.001+0.5
		}
		return got >= low*0.999-0.5 && got <= high*1.001+0.5
	}
	return want == got
}

// diffTop compares lists as sets. If the last places have entries of equal estimate, any of these
// may be shown.
func diffTop(want []any, got any) string {
	g, ok := got.([]any)
	if !ok || len(g) != len(want) {
		return fmt.Sprintf("reference %v, visor %v", want, got)
	}
	if len(want) == 0 {
		return ""
	}
	estimate := func(v any) float64 { return v.(map[string]any)["estimate"].(float64) }
	least := estimate(want[len(want)-1])
	above := func(list []any) map[string]float64 {
		m := make(map[string]float64)
		for _, v := range list {
			if estimate(v) > least {
				m[fmt.Sprint(v)] = estimate(v)
			}
		}
		return m
	}
	if fmt.Sprint(above(want)) != fmt.Sprint(above(g)) {
		return fmt.Sprintf("reference %v, visor %v", want, got)
	}
	for i := range want {
		if estimate(want[i]) != estimate(g[i]) {
			return fmt.Sprintf("reference %v, visor %v", want, got)
		}
	}
	return ""
}

package leaktest

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/export"
	"visor/export/findings"
	"visor/export/history"
	"visor/export/httpapi"
	"visor/export/otlp"
	"visor/export/warehouse"
	"visor/handler"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
	"visor/sketch/hash64"
)

// input is an input type of the catalog with its traffic.
type input struct {
	name   string
	frames func() []capture.Frame
}

var inputs = []input{{"pcap", packets}, {"dnstap", taps}, {"flow", flows}}

// addressed are the handlers whose answers have addresses of hosts.
var addressed = []string{"asks", "dhcp", "dns", "flow", "net"}

// unaddressed are the others. Targets of netprobe are in its configuration.
var unaddressed = []string{"bgp", "input_resources", "netprobe", "pcap"}

// methods are sections of policies.
var methods = []struct{ name, section string }{
	{"lengths", "{v4: 24, v6: 48}"},
	{"defaults", "{}"},
	{"cryptopan", "{key_file: %s}"},
}

// TestCatalog fails for a new handler until it is in one of the lists.
func TestCatalog(t *testing.T) {
	var types []string
	for _, h := range builtin.Catalog().Handlers {
		types = append(types, h.Type)
	}
	slices.Sort(types)
	require.ElementsMatch(t, slices.Compact(types), slices.Concat(addressed, unaddressed))
}

// TestWhole: without anonymize, every handler with addresses shows them, so that TestAnonymized
// would notice one that forgets to replace them.
func TestWhole(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out every handler twice; TestAnonymized remains")
	}
	for _, in := range inputs {
		t.Run(in.name, func(t *testing.T) {
			out := run(t, in, "")
			for module, text := range out {
				typ, _, isModule := strings.Cut(strings.TrimPrefix(module, "module "), " ")
				if strings.HasPrefix(module, "module ") && isModule && slices.Contains(addressed, typ) {
					require.NotEmpty(t, leaks(text), module)
				}
			}
			for _, name := range []string{"text", "bytes", "otlp", "history", "/metrics", "GET /api/v1/policies/p/metrics/prometheus"} {
				if data, made := out[name]; made {
					require.NotEmpty(t, leaks(data), name)
				}
			}
			if in.name == "pcap" {
				require.NotEmpty(t, leaks(out["findings"]), "findings have evidence")
				require.Contains(t, string(out["log"]), "finding", "findings are logged")
			}
		})
	}
}

// TestAnonymized: no output has a whole address.
func TestAnonymized(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(key, []byte(strings.Repeat("5a", 32)), 0o600))
	for _, in := range inputs {
		for _, m := range methods {
			if testing.Short() && m.name != "lengths" {
				continue // the others run all outputs again
			}
			t.Run(in.name+"/"+m.name, func(t *testing.T) {
				section := m.section
				if strings.Contains(section, "%s") {
					section = fmt.Sprintf(section, key)
				}
				out := run(t, in, section)
				for name, data := range out {
					require.Empty(t, leaks(data), name)
					require.NotContains(t, string(data), "janes-phone", name)
					if typ, ok := strings.CutPrefix(name, "module "); ok && slices.Contains(addressed, strings.Fields(typ)[0]) {
						require.Contains(t, string(data), `"name":`, "lists are not empty: "+name)
						cut := strings.Contains(string(data), "203.0.113.0") || strings.Contains(string(data), "10.77.66.0")
						require.Equal(t, m.name != "cryptopan", cut, name)
					}
				}
			})
		}
	}
}

// leaks returns the forms of whole addresses that data has.
func leaks(data []byte) (found []string) {
	lower := bytes.ToLower(data)
	for _, addr := range secret {
		raw := addr.AsSlice()
		name := reverse(addr)
		labels := wire(name)
		forms := map[string][]byte{
			"text": []byte(addr.String()), "expanded": []byte(addr.StringExpanded()), "hex": []byte(hex.EncodeToString(raw)),
			"name": []byte(name), "labels": labels[:len(labels)-1], "rpz": []byte(strings.TrimSuffix(name, ".in-addr.arpa")),
		}
		for form, b := range forms {
			if contains(lower, b) {
				found = append(found, fmt.Sprintf("%s of %s", form, addr))
			}
		}
		if bytes.Contains(data, raw) {
			found = append(found, fmt.Sprintf("bytes of %s", addr))
		}
	}
	return found
}

// contains reports whether data has text that no digit follows: 192.0.2.1 is not in 192.0.2.19.
func contains(data, text []byte) bool {
	for at := 0; ; {
		i := bytes.Index(data[at:], text)
		if i < 0 {
			return false
		}
		before, after := at+i-1, at+i+len(text)
		if (before < 0 || !digit(data[before])) && (after >= len(data) || !digit(data[after])) {
			return true
		}
		at += i + 1
	}
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// document returns a policy with all handlers that an input feeds.
func document(in input, section string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "visor:\n  taps:\n    t: {input_type: %s, config: {}}\n  policies:\n    p:\n      kind: collection\n", in.name)
	fmt.Fprintf(&b, "      input: {tap: t, input_type: %s}\n", in.name)
	fmt.Fprintf(&b, "      findings: {warmup_periods: 1, baseline_periods: 10, min_events: 10, min_labels: 20, min_scan_names: 20, min_scan_targets: 20, min_tunnel_bytes: 10}\n")
	if section != "" {
		fmt.Fprintf(&b, "      anonymize: %s\n", section)
	}
	fmt.Fprintf(&b, "      handlers:\n        window_config: {num_periods: 5}\n        modules:\n")
	types := builtin.Catalog()
	for _, typ := range types.Inputs {
		if typ.Name != in.name {
			continue
		}
		for _, h := range types.Handlers {
			if !slices.Contains(typ.Feeds, h.Type) {
				continue
			}
			fmt.Fprintf(&b, "          %s-%s: {type: %s, require_version: \"%s\"", h.Type, h.Version[:1], h.Type, h.Version)
			if info, err := h.Info(); err == nil && len(info.GroupNames) > 0 {
				fmt.Fprintf(&b, ", metric_groups: {enable: [everything]}")
			}
			fmt.Fprintf(&b, "}\n")
		}
	}
	return b.String()
}

// run runs the policy over the traffic of an input. It returns all outputs by name.
func run(t *testing.T, in input, section string) map[string][]byte {
	var logged lockedBuffer
	log := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	nets, err := decode.ParseNetSet(own)
	require.NoError(t, err)
	var found []findings.Finding
	m := policy.NewManager(policy.ManagerConfig{
		Types: builtin.Catalog(), Logger: log, Hash: hash64.New(hash64.Key{1}),
		Found: func(f findings.Finding) { found = append(found, f) },
		Open: func(string, policy.Options, policy.Options) (policy.Opened, error) {
			return policy.Opened{Sources: []capture.Source{capture.NewMemory(in.frames())}, Hosts: nets}, nil
		},
	})
	defer m.Close()
	doc, err := builtin.Catalog().Parse([]byte(document(in, section)))
	require.NoError(t, err)
	require.Empty(t, doc.Warnings)
	require.NoError(t, m.Load(doc))
	r := m.Policy("p")
	require.NotNil(t, r)
	<-r.Parts[0].Ended()

	out := make(map[string][]byte)
	var all []*handler.Snapshot
	for n := range 4 {
		snap, err := r.Bucket(n)
		require.NoError(t, err)
		all = append(all, snap)
	}
	window, err := r.Window(4)
	require.NoError(t, err)
	renderings(t, out, append(all, window))
	endpoints(t, out, m, log)
	out["otlp"] = pushed(t, r)
	out["history"] = stored(t, all)
	out["warehouse"] = rows(t, all)
	out["findings"], err = json.Marshal(found)
	require.NoError(t, err)
	var text bytes.Buffer
	require.NoError(t, findings.WriteText(&text, found, findings.TextConfig{}))
	out["findings text"] = text.Bytes()
	out["log"] = logged.bytes()
	return out
}

// renderings adds JSON, text and bytes of snapshots, and the JSON of each module.
func renderings(t *testing.T, out map[string][]byte, all []*handler.Snapshot) {
	var text, data bytes.Buffer
	for _, snap := range all {
		require.NoError(t, export.WriteText(&text, snap, export.TextConfig{Width: 200, All: true}))
		b, err := snap.AppendBinary(nil, handler.Origin{}, 0)
		require.NoError(t, err)
		data.Write(b)
		read, err := handler.ReadSnapshot(b)
		require.NoError(t, err)
		require.NoError(t, export.WriteText(&text, read, export.TextConfig{Width: 200, All: true}))
		for i := range snap.Modules {
			var one bytes.Buffer
			require.NoError(t, export.WriteJSON(&one, &handler.Snapshot{Modules: snap.Modules[i : i+1]}))
			name := fmt.Sprintf("module %s %s", snap.Modules[i].Type, snap.Modules[i].Version)
			out[name] = append(out[name], one.Bytes()...)
		}
	}
	out["text"], out["bytes"] = text.Bytes(), data.Bytes()
}

// endpoints adds the answers of the API.
func endpoints(t *testing.T, out map[string][]byte, m *policy.Manager, log *slog.Logger) {
	api, err := httpapi.New(httpapi.Config{Policies: m, Hosts: []string{"example.com"}, Logger: log})
	require.NoError(t, err)
	for _, path := range []string{
		"/metrics", "/metrics/counters", "/api/v1/taps", "/api/v1/policies", "/api/v1/policies/p", "/api/v1/findings",
		"/api/v1/policies/p/metrics/bucket/0", "/api/v1/policies/p/metrics/bucket/1", "/api/v1/policies/p/metrics/window/3",
		"/api/v1/policies/__all/metrics/window/4", "/api/v1/policies/p/metrics/prometheus", "/api/v1/policies/__all/metrics/prometheus",
		"/api/v1/policies/p/metrics/counters", "/api/v1/policies/p/findings", "/openapi.json",
	} {
		w := httptest.NewRecorder()
		api.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if path != "/metrics" { // it needs a policy "default"
			require.Equal(t, http.StatusOK, w.Code, path+" "+w.Body.String())
		}
		out["GET "+path] = w.Body.Bytes()
	}
}

// pushed returns what an OTLP receiver gets, in both forms.
func pushed(t *testing.T, r *policy.Running) []byte {
	var got lockedBuffer
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body := io.Reader(req.Body)
		if req.Header.Get("Content-Encoding") == "gzip" {
			body, _ = gzip.NewReader(body)
		}
		_, _ = io.Copy(&got, body)
	}))
	defer server.Close()
	p, err := otlp.New(otlp.Config{Endpoint: server.URL, Form: otlp.Both, Sources: func() []otlp.Source { return []otlp.Source{{Policy: "p", Of: r}} }})
	require.NoError(t, err)
	p.Last(otlp.Source{Policy: "p", Of: r})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = p.Run(ctx) // sends what waits
	require.NotEmpty(t, got.bytes())
	return got.bytes()
}

// stored returns the history file, and its answer.
func stored(t *testing.T, all []*handler.Snapshot) []byte {
	path := filepath.Join(t.TempDir(), "history.db")
	store, err := history.Open(history.Config{Path: path, Keep: history.Keep{Minute: 1e6 * time.Hour, Hour: 1e6 * time.Hour, Day: 1e6 * time.Hour}})
	require.NoError(t, err)
	for _, snap := range slices.Backward(all) {
		store.Add("p", snap, handler.Origin{Agent: "a"})
	}
	require.NoError(t, store.Close())
	out, err := os.ReadFile(path)
	require.NoError(t, err)
	store, err = history.OpenReadOnly(path)
	require.NoError(t, err)
	defer store.Close()
	start := all[len(all)-1].Modules[0].Start
	answer, err := store.Range(t.Context(), "p", start.Add(-time.Hour), start.Add(time.Hour))
	require.NoError(t, err)
	require.NotNil(t, answer.Snapshot)
	out, err = answer.Snapshot.AppendBinary(out, handler.Origin{}, 0)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, export.WriteText(&b, answer.Snapshot, export.TextConfig{Width: 200, All: true}))
	return append(out, b.Bytes()...)
}

// rows returns what a warehouse would insert.
func rows(t *testing.T, all []*handler.Snapshot) []byte {
	db := new(database)
	w, err := warehouse.New(warehouse.Config{DB: sql.OpenDB(db), Agent: "a"})
	require.NoError(t, err)
	for _, snap := range all {
		w.Put("p", snap)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = w.Run(ctx)
	require.NotEmpty(t, db.rows.bytes())
	return db.rows.bytes()
}

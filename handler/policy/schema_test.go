package policy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"visor/handler/policy/builtin"
	"visor/internal/schematest"
	"visor/internal/sharedtest"
)

// schemaOf compiles the schema of a kind of document.
func schemaOf(t testing.TB, name string) *jsonschema.Schema {
	all, err := builtin.Catalog().Schemas(schematest.ComponentPrefix)
	require.NoError(t, err)
	return schematest.Component(t, all, name)
}

// validate checks a document in YAML against a schema.
func validate(t testing.TB, s *jsonschema.Schema, document string) error {
	var v any
	if err := yaml.Unmarshal([]byte(document), &v); err != nil {
		return err
	}
	text, err := json.Marshal(textKeys(v))
	require.NoError(t, err)
	v, err = jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	return s.Validate(v)
}

// textKeys turns the keys of maps into texts, as a document in JSON has them.
func textKeys(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = textKeys(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = textKeys(v[key])
		}
	case map[any]any:
		out := make(map[string]any)
		for key, value := range v {
			out[fmt.Sprint(key)] = textKeys(value)
		}
		return out
	}
	return v
}

// The schema of a configuration refuses what is wrong in a single value.
func TestSchema(t *testing.T) {
	s := schemaOf(t, "Configuration")
	require.NoError(t, validate(t, s, good))
	for old, wrong := range map[string]string{
		`version: "1.0"`:                       `version: "2.0"`,
		"iface: eth0":                          "iface: 5",
		"host_spec":                            "hots_spec",
		"tags: {virtual":                       "tag: {virtual",
		"kind: collection":                     "kind: collector",
		"    all:\n":                           "    __all:\n",
		"merge_like_handlers: true":            "merge_like_handlers: yes",
		"tap: wired\n":                         "tap: wired\n        tap_selector: {any: []}\n",
		"bpf: udp":                             "bpf: true",
		"num_periods: 3":                       "num_periods: many",
		"type: net}":                           "type: nett}",
		`require_version: "2.0"`:               `require_version: "3.0"`,
		"only_qname_suffix: [example.com]":     "only_qname_suffix: example.com",
		"only_qname_suffix: [":                 "only_queries: [", // of version 1.0
		"[top_ecs]":                            "[top_ecss]",
		"[virtual: true, vhost: 1]":            "[{virtual: true, vhost: 1}]",
		"- third: {third: {type: pcap}}":       "- third: {third: {type: pcap, config: {x: 1}}}",
		"- first: {type: net}":                 "- first",
		"            type: dns\n          - t": "            typ: dns\n          - t",
	} {
		require.Contains(t, good, old)
		require.Error(t, validate(t, s, strings.Replace(good, old, wrong, 1)), wrong)
	}
	tap := schemaOf(t, "TapDocument")
	require.NoError(t, validate(t, tap, "visor: {taps: {t: {input_type: dnstap, config: {socket: /run/s}, tags: null}}}"))
	require.Error(t, validate(t, tap, "visor: {taps: {a: {input_type: mock}, b: {input_type: mock}}}"))
	require.Error(t, validate(t, tap, "visor: {policies: {}}"))
	probe := "visor: {taps: {t: {input_type: netprobe, config: {test_type: tcp, targets: {a: {target: 192.0.2.1, port: PORT}}}}}}"
	require.NoError(t, validate(t, tap, strings.Replace(probe, "PORT", "53", 1)))
	require.Error(t, validate(t, tap, strings.Replace(probe, "PORT", "dns", 1)))
}

// The schema accepts the published documents that load without a warning. It refuses those that
// pktvisor refuses, unless the reason is outside of the document or in several values.
func TestSchemaOfDocuments(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(sharedtest.Dir(t, "cases", "documents"), "*.yaml"))
	require.NoError(t, err)
	s := schemaOf(t, "Configuration")
	for _, path := range paths {
		name := filepath.Base(path)
		document := complete(name, string(readFile(t, path)))
		verdict, text := try(t, document, strings.HasSuffix(name, "-policy.yaml"))
		err := validate(t, s, document)
		switch verdict {
		case "loads":
			require.NoError(t, err, name)
		case "refused":
			beyond := strings.Contains(text, "does not exist") || strings.Contains(text, "no tap match found") ||
				strings.Contains(text, "mock error on start") || strings.Contains(text, "value types are different")
			require.True(t, err != nil || beyond, "%s: %s", name, text)
		}
	}
}

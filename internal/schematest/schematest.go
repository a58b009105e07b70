// Package schematest validates answers against the JSON Schemas of their handlers.
package schematest

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"visor/export"
	"visor/handler"
)

// Compile returns the schema of a handler's answers.
func Compile(t testing.TB, info handler.Info) *jsonschema.Schema {
	var b bytes.Buffer
	require.NoError(t, export.WriteJSONSchema(&b, info))
	doc, err := jsonschema.UnmarshalJSON(&b)
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	const url = "visor:///answer.json"
	require.NoError(t, c.AddResource(url, doc))
	schema, err := c.Compile(url)
	require.NoError(t, err)
	return schema
}

// Validate checks the answers of all modules of a snapshot against their schemas.
func Validate(t testing.TB, snap *handler.Snapshot) {
	var b bytes.Buffer
	require.NoError(t, export.WritePoliciesJSON(&b, map[string]*handler.Snapshot{"p": snap}))
	var doc map[string]map[string]map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(b.Bytes(), &doc))
	for i := range snap.Modules {
		m := &snap.Modules[i]
		if m.Silent() {
			continue
		}
		answer, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc["p"][m.Name][m.Schema]))
		require.NoError(t, err)
		require.NoError(t, Compile(t, m.Info).Validate(answer), "%s %s", m.Type, m.Version)
	}
}

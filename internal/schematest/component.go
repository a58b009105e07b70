package schematest

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// ComponentPrefix is the prefix of references between components.
const ComponentPrefix = "#/components/schemas/"

// Component compiles one of schemas that refer to each other.
func Component(t testing.TB, schemas map[string]any, name string) *jsonschema.Schema {
	text, err := json.Marshal(map[string]any{"components": map[string]any{"schemas": schemas}})
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	const url = "visor:///components.json"
	require.NoError(t, c.AddResource(url, doc))
	schema, err := c.Compile(url + ComponentPrefix + name)
	require.NoError(t, err)
	return schema
}

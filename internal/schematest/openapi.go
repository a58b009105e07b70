package schematest

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// Description is an OpenAPI document's description of an API's answers.
type Description struct {
	schemas map[string]*jsonschema.Schema // by method, path pattern and status
	paths   map[string]*regexp.Regexp     // by pattern
}

// answerType is the Content-Type of the validated answers.
const answerType = "text/json"

// Describe reads an OpenAPI 3.1 document, and compiles the schemas of all its answers in JSON.
func Describe(t testing.TB, document []byte) *Description {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("visor:///openapi.json", doc))
	d := &Description{schemas: make(map[string]*jsonschema.Schema), paths: make(map[string]*regexp.Regexp)}
	parameter, escapes := regexp.MustCompile(`\{\w+\}`), strings.NewReplacer("~", "~0", "/", "~1")
	for pattern, item := range member(doc, "paths") {
		d.paths[pattern] = regexp.MustCompile("^" + parameter.ReplaceAllString(pattern, `[^/]+`) + "$")
		for method, op := range item.(map[string]any) {
			for status, answer := range member(op, "responses") {
				if _, described := member(answer, "content")[answerType]; !described {
					continue
				}
				s, err := c.Compile(fmt.Sprintf("visor:///openapi.json#/paths/%s/%s/responses/%s/content/%s/schema",
					escapes.Replace(pattern), method, status, escapes.Replace(answerType)))
				require.NoError(t, err)
				d.schemas[strings.ToUpper(method)+" "+pattern+" "+status] = s
			}
		}
	}
	require.NotEmpty(t, d.schemas)
	return d
}

func member(v any, key string) map[string]any {
	m, _ := v.(map[string]any)[key].(map[string]any)
	return m
}

// Validate checks an answer in JSON against the description. It ignores other types, and answers to
// HEAD.
func (d *Description) Validate(t testing.TB, method, path string, status int, contentType string, body []byte) {
	if contentType != answerType || method == "HEAD" {
		return
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	require.NoError(t, err, "%s %s: %.300s", method, path, body)
	s := d.schemas[fmt.Sprintf("%s %s %d", method, d.pattern(path), status)]
	require.NotNil(t, s, "%s %s: status %d is not described", method, path, status)
	require.NoError(t, s.Validate(v), "%s %s: %.300s", method, path, body)
}

// pattern returns the pattern that a path matches, preferably one without parameters.
func (d *Description) pattern(path string) string {
	if d.paths[path] != nil {
		return path
	}
	for pattern, form := range d.paths {
		if form.MatchString(path) {
			return pattern
		}
	}
	return ""
}

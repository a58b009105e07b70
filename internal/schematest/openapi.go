package schematest

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// Description is an OpenAPI document's description of an API's answers.
type Description struct {
	mu       sync.Mutex // for compiler
	compiler *jsonschema.Compiler
	schemas  map[string]string         // references, by method, path pattern and status
	paths    map[string]*regexp.Regexp // by pattern
}

// answerType is the Content-Type of the validated answers.
const answerType = "text/json"

// Describe reads an OpenAPI 3.1 document. The schema of an answer in JSON is compiled when it is
// first needed, or by [Description.Compile].
func Describe(t testing.TB, document []byte) *Description {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("visor:///openapi.json", doc))
	d := &Description{compiler: c, schemas: make(map[string]string), paths: make(map[string]*regexp.Regexp)}
	parameter, escapes := regexp.MustCompile(`\{\w+\}`), strings.NewReplacer("~", "~0", "/", "~1")
	for pattern, item := range member(doc, "paths") {
		d.paths[pattern] = regexp.MustCompile("^" + parameter.ReplaceAllString(pattern, `[^/]+`) + "$")
		for method, op := range item.(map[string]any) {
			for status, answer := range member(op, "responses") {
				if _, described := member(answer, "content")[answerType]; !described {
					continue
				}
				d.schemas[strings.ToUpper(method)+" "+pattern+" "+status] = fmt.Sprintf("visor:///openapi.json#/paths/%s/%s/responses/%s/content/%s/schema",
					escapes.Replace(pattern), method, status, escapes.Replace(answerType))
			}
		}
	}
	require.NotEmpty(t, d.schemas)
	return d
}

// Compile compiles the schemas of all answers.
func (d *Description) Compile(t testing.TB) {
	for answer, ref := range d.schemas {
		_, err := d.compiler.Compile(ref)
		require.NoError(t, err, answer)
	}
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
	ref, described := d.schemas[fmt.Sprintf("%s %s %d", method, d.pattern(path), status)]
	require.True(t, described, "%s %s: status %d is not described", method, path, status)
	d.mu.Lock()
	s, err := d.compiler.Compile(ref)
	d.mu.Unlock()
	require.NoError(t, err)
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

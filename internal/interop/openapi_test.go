package interop_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/stretchr/testify/require"

	"visor/export/httpapi"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
)

// The API's description is valid OpenAPI 3.1 by the schema of the specification, and answers
// conform to it in an independent validator.
func TestOpenAPI(t *testing.T) {
	for name, cfg := range map[string]httpapi.Config{
		"all":       {Admin: true, Token: "x", Version: "4.5.0", Stop: func() {}},
		"read-only": {},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.Policies = policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog()})
			api, err := httpapi.New(cfg)
			require.NoError(t, err)
			ask := func(path string) (*http.Request, *httptest.ResponseRecorder) {
				r := httptest.NewRequest("GET", path, nil)
				r.Header.Set("Authorization", "Bearer x")
				w := httptest.NewRecorder()
				api.ServeHTTP(w, r)
				return r, w
			}
			_, w := ask("/openapi.json")
			doc, err := libopenapi.NewDocument(w.Body.Bytes())
			require.NoError(t, err)
			require.Equal(t, "3.1.0", doc.GetVersion())
			v, errs := validator.NewValidator(doc)
			require.Empty(t, errs)
			valid, problems := v.ValidateDocument()
			for _, p := range problems {
				t.Log(p.Message, p.Reason)
				for _, e := range p.SchemaValidationErrors {
					t.Log(e.Reason)
				}
			}
			require.True(t, valid)
			for path, status := range map[string]int{
				"/api/v1/policies": 200, "/api/v1/metrics/app": 200, "/api/v1/metrics/window/5": 404, "/api/v1/policies/none": 404, "/api/v1/schemas": 200,
			} {
				r, w := ask(path)
				require.Equal(t, status, w.Code)
				fits, problems := v.ValidateHttpResponse(r, w.Result())
				require.True(t, fits, "%s: %v", path, problems)
			}
		})
	}
}

package httpapi_test

import (
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"visor/export/httpapi"
	"visor/handler"
	"visor/handler/dns"
)

// The snapshot of a policy is its last closed period, with its origin.
func TestSnapshot(t *testing.T) {
	a := newAgent(t, httpapi.Config{Admin: true, Origin: handler.Origin{Agent: "ns1", Program: "test"}})
	a.create("p")
	w := a.do("GET", "/api/v1/policies/p/snapshot", "", "")
	require.Equal(t, 200, w.Code, w.Body.String())
	require.Equal(t, "application/vnd.visor.snapshot", w.Header().Get("Content-Type"))
	dec, err := zstd.NewReader(nil)
	require.NoError(t, err)
	defer dec.Close()
	data, err := dec.DecodeAll(w.Body.Bytes(), nil)
	require.NoError(t, err)
	got, err := handler.ReadSnapshot(data)
	require.NoError(t, err)
	want, err := a.manager.Policy("p").Bucket(1)
	require.NoError(t, err)
	require.Equal(t, dns.From(want).Queries.Value(), dns.From(got).Queries.Value())
	require.NotZero(t, dns.From(got).Queries.Value())
	by := got.Modules[0].Counted[0].Origin
	require.Equal(t, []string{"ns1", "p", "test"}, []string{by.Agent, by.Policy, by.Program})

	require.Equal(t, 404, a.do("GET", "/api/v1/policies/none/snapshot", "", "").Code)
	require.Equal(t, 404, a.do("GET", "/api/v1/policies/__all/snapshot", "", "").Code)
}

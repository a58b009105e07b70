//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/internal/wait"
)

// A policy that is deleted and posted again with another analyzer under the same name shows what
// counts now. What the former analyzer counted is a gap with its reason, never silently lost.
func TestHistoryOfReplacedPolicy(t *testing.T) {
	p := start(t, nil, "--history", filepath.Join(t.TempDir(), "history"), "--period", "1s", "--admin-api",
		"--config", configFile(t, "visor: {taps: {t: {input_type: mock}}}"))
	post := func(typ string) {
		const document = "visor: {policies: {p: {kind: collection, input: {tap: t, input_type: mock}, handlers: {modules: {m: {type: %s}}}}}}"
		require.Equal(t, 201, p.change("POST", "/api/v1/policies", fmt.Sprintf(document, typ)))
	}
	type answered struct {
		Gaps    []struct{ Reason string }
		Metrics map[string]map[string]struct {
			Packets struct{ Total float64 }
			DNS     struct {
				Packets struct{ Total float64 } `json:"wire_packets"`
			}
		}
	}
	whole := func() (answer answered) {
		status, body := p.get("/api/v1/policies/p/history?from=-1h")
		require.Equal(t, 200, status, body)
		require.NoError(t, json.Unmarshal([]byte(body), &answer))
		return answer
	}
	changed := func(a answered) bool {
		return slices.ContainsFunc(a.Gaps, func(g struct{ Reason string }) bool {
			return strings.Contains(g.Reason, "p-t-m is a dns 1.0 and a net 1.0: they cannot be merged")
		})
	}

	post("net")
	wait.Until(t, func() bool { return p.minutes() >= 2 })
	before := whole()
	require.Positive(t, before.Metrics["p"]["p-t-m"].Packets.Total)
	require.False(t, changed(before))
	require.Equal(t, 200, p.change("DELETE", "/api/v1/policies/p", ""))
	post("dns")
	wait.Until(t, func() bool { return whole().Metrics["p"]["p-t-m"].DNS.Packets.Total > 0 })
	require.True(t, changed(whole()))
	former := p.minutes()
	wait.Until(t, func() bool { return p.minutes() >= former+2 })
	require.True(t, changed(whole()), "also from records alone")
	require.Positive(t, whole().Metrics["p"]["p-t-m"].DNS.Packets.Total)
}

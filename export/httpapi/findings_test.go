package httpapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/export/findings"
	"visor/export/httpapi"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
	"visor/internal/packettest"
)

// attacked opens a recording of an attack with random labels.
func attacked(string, policy.Options, policy.Options) (policy.Opened, error) {
	var frames []capture.Frame
	for i := range 600 {
		at := time.Duration(i) * 100 * time.Millisecond
		client := fmt.Sprintf("10.0.%d.%d:5000", i%7, i%200)
		q := packettest.Query(uint16(i), fmt.Sprintf("%08x.example.com", uint32(i)*2654435761), 1)
		frames = append(frames, packettest.UDP(at, client, "192.0.2.53:53", q), packettest.UDP(at+1e6, "192.0.2.53:53", client, packettest.Reply(q, 3, 0)))
	}
	return policy.Opened{Sources: []capture.Source{capture.NewMemory(frames)}}, nil
}

// newAttacked returns an agent whose input is an attack, and the changes of its findings.
func newAttacked(t *testing.T) (*agent, *[]findings.Finding) { return newAttackedBy(t, attacked) }

// newAttackedBy is newAttacked with another opener of inputs.
func newAttackedBy(t *testing.T, open func(string, policy.Options, policy.Options) (policy.Opened, error)) (*agent, *[]findings.Finding) {
	changes := new([]findings.Finding)
	var mu sync.Mutex
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog(), Open: open, Found: func(f findings.Finding) {
		mu.Lock()
		defer mu.Unlock()
		*changes = append(*changes, f)
	}})
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	doc, err := builtin.Catalog().Parse([]byte(taps))
	require.NoError(t, err)
	require.NoError(t, m.Load(doc))
	api, err := httpapi.New(httpapi.Config{Policies: m, Admin: true, Hosts: []string{"example.com"}})
	require.NoError(t, err)
	a := &agent{t: t, api: api, manager: m}
	a.describe("")
	return a, changes
}

// watched is the document of a policy with a findings block.
func watched(block string) string {
	return fmt.Sprintf(`
version: "1.0"
visor:
  policies:
    p:
      kind: collection
      input: {tap: wired, input_type: pcap}
      findings: {%s}
      handlers: {modules: {dns: {type: dns, metric_groups: {enable: [names_by_domain]}}}}
`, block)
}

func TestFindings(t *testing.T) {
	a, changes := newAttacked(t)
	w := a.do("POST", "/api/v1/policies", "application/x-yaml", watched(""))
	require.Equal(t, http.StatusCreated, w.Code, w.Body)
	<-a.manager.Policy("p").Parts[0].Ended()

	var answer struct{ Active, Resolved []findings.Finding }
	for _, path := range []string{"/api/v1/findings", "/api/v1/policies/p/findings"} {
		w = a.do("GET", path, "", "")
		require.Equal(t, http.StatusOK, w.Code)
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
		require.Len(t, answer.Active, 1, w.Body)
		require.Empty(t, answer.Resolved)
	}
	f := answer.Active[0]
	require.Equal(t, [4]any{"p", findings.RandomLabels, findings.Attack, "example.com"}, [4]any{f.Policy, f.Kind, f.Severity, f.Subject})
	require.Equal(t, http.StatusNotFound, a.do("GET", "/api/v1/policies/other/findings", "", "").Code)
	prometheus := a.do("GET", "/metrics", "", "").Body.String()
	require.Contains(t, prometheus, `visor_finding{kind="random_labels",policy="p",severity="attack",subject="example.com"} 1`)

	require.Equal(t, http.StatusOK, a.do("DELETE", "/api/v1/policies/p", "", "").Code)
	require.Len(t, *changes, 2, "it fires, and is resolved when nothing watches any more")
	require.True(t, (*changes)[1].Resolved)
	require.Equal(t, (*changes)[0].Key, (*changes)[1].Key)
	require.True(t, (*changes)[1].Ended)
	require.False(t, (*changes)[1].Replaced)
}

// TestFindingsOfReplacedPolicy checks that a finding of a policy which another one replaces ends as
// replaced, so that its alert goes on. In the second case, the former policy must end before the
// new one can open its socket, and in the third the new one fails nevertheless.
func TestFindingsOfReplacedPolicy(t *testing.T) {
	for _, failures := range [][]error{nil, {syscall.EADDRINUSE}, {syscall.EADDRINUSE, errors.New("no such device")}} {
		opened, failed := 0, failures
		a, changes := newAttackedBy(t, func(typ string, config, only policy.Options) (policy.Opened, error) {
			if opened++; opened > 1 && len(failed) > 0 {
				err := failed[0]
				failed = failed[1:]
				return policy.Opened{}, err
			}
			return attacked(typ, config, only)
		})
		require.Equal(t, http.StatusCreated, a.do("POST", "/api/v1/policies", "application/x-yaml", watched("")).Code)
		<-a.manager.Policy("p").Parts[0].Ended()
		w := a.do("PUT", "/api/v1/policies/p", "application/x-yaml", watched("min_labels: 11"))
		require.Equal(t, len(failures) < 2, w.Code == http.StatusOK, w.Body)
		<-a.manager.Policy("p").Parts[0].Ended()
		var ended []findings.Finding
		for _, f := range *changes {
			if f.Ended {
				ended = append(ended, f)
			}
		}
		require.Len(t, ended, 1)
		require.True(t, ended[0].Replaced)
	}
}

// The findings block of a policy has thresholds and exceptions.
func TestFindingsBlock(t *testing.T) {
	for block, count := range map[string]int{"min_labels: 1000": 0, "enabled: false": 0, "allow_names: [example.com]": 0, "min_labels: 10": 1} {
		a, changes := newAttacked(t)
		w := a.do("POST", "/api/v1/policies", "application/x-yaml", watched(block))
		require.Equal(t, http.StatusCreated, w.Code, w.Body)
		<-a.manager.Policy("p").Parts[0].Ended()
		require.Len(t, *changes, count, block)
	}
	a, _ := newAttacked(t)
	for block, problem := range map[string]string{
		"min_labels: 0": "min_labels must be from 1", "allow_clients: [x]": "neither an address nor a network", "no_such: 1": "no_such", "warmup_periods: 100": "warmup_periods is 100",
	} {
		w := a.do("POST", "/api/v1/policies", "application/x-yaml", watched(block))
		require.GreaterOrEqual(t, w.Code, 400, block)
		require.Contains(t, w.Body.String(), problem)
	}
}

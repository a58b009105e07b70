package main

import (
	"bytes"
	"io"
	"net/http"
	"runtime/debug"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestMemoryLimit(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	v2 := fstest.MapFS{
		"proc/self/cgroup":                                     file("0::/system.slice/visord.service\n"),
		"sys/fs/cgroup/system.slice/memory.max":                file("max\n"),
		"sys/fs/cgroup/system.slice/visord.service/memory.max": file("268435456\n"),
	}
	container := fstest.MapFS{"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("1073741824\n")}
	parent := fstest.MapFS{"proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/memory.max": file("300000000\n"), "sys/fs/cgroup/a/b/memory.max": file("400000000")}
	v1 := fstest.MapFS{
		"proc/self/cgroup":                           file("5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n1:name=systemd:/docker/x\n"),
		"sys/fs/cgroup/memory/memory.limit_in_bytes": file("134217728\n"),
	}
	unlimited := fstest.MapFS{"proc/self/cgroup": file("4:memory:/\n"), "sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n")}
	for _, tt := range []struct {
		text   string
		system fstest.MapFS
		want   int64
	}{
		{"", v2, 256 << 20},
		{"", container, 1 << 30},
		{"", parent, 300_000_000},
		{"", v1, 128 << 20},
		{"", unlimited, defaultMemory},
		{"", fstest.MapFS{}, defaultMemory},
		{"off", v2, 0},
		{"64M", v2, 64 << 20},
		{"2G", v2, 2 << 30},
		{"100000K", v2, 100000 << 10},
		{"536870912", v2, 512 << 20},
	} {
		got, err := memoryLimit(tt.text, tt.system)
		require.NoError(t, err)
		require.Equal(t, tt.want, got, tt.text)
	}
	for _, wrong := range []string{"x", "M", "-1", "0", "1.5G", "9999999999999G", "31M"} {
		_, err := memoryLimit(wrong, v2)
		require.ErrorContains(t, err, "--memory-limit "+wrong+": ")
	}
	m := shareOut(512 << 20)
	require.Less(t, m.work+int64(m.answers), m.runtime)
	require.Equal(t, memory{}, shareOut(0))
}

// TestMemoryApplies checks that GOMEMLIMIT is set, unless the environment sets it.
func TestMemoryApplies(t *testing.T) {
	former := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(former)
	t.Setenv("GOMEMLIMIT", "1GiB")
	shareOut(512 << 20).apply()
	require.Equal(t, former, debug.SetMemoryLimit(-1))
	t.Setenv("GOMEMLIMIT", "")
	shareOut(512 << 20).apply()
	require.EqualValues(t, 384<<20, debug.SetMemoryLimit(-1))
}

// TestPolicyDoesNotFit checks that the error for a policy that does not fit contains the sum, and
// that the policy fits after another one was deleted.
func TestPolicyDoesNotFit(t *testing.T) {
	p := start(t, nil, "--admin-api", "--memory-limit", "64M", "--config", configFile(t, "visor: {taps: {t: {input_type: mock}}}"))
	p.logged("memory limit 64 MiB, inputs and policies may hold 32 MiB")
	send := func(method, path, body string) (int, string) {
		req, err := http.NewRequest(method, p.url+"/api/v1/policies"+path, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(answer)
	}
	policy := func(name, modules string) string {
		return `{"visor":{"policies":{"` + name + `":{"kind":"collection","input":{"tap":"t","input_type":"mock"},"handlers":{"modules":{` + modules + `}}}}}}`
	}
	status, answer := send("POST", "", policy("a", `"dns":{"type":"dns"}`))
	require.Equal(t, 201, status, answer)
	status, answer = send("POST", "", policy("b", `"dns":{"type":"dns"},"net":{"type":"net"}`))
	require.Equal(t, 422, status)
	require.Regexp(t, `policy \[b\] does not fit into the memory limit: it may need 2\d\.\d MiB \(dns 2\d\.\d MiB, net 5\.\d MiB\), and others 2\d\.\d MiB of 32\.0 MiB`, answer)
	status, _ = send("POST", "", policy("c", `"net":{"type":"net"}`))
	require.Equal(t, 201, status)
	status, answer = send("PUT", "/a", policy("a", `"dns":{"type":"dns"}`))
	require.Equal(t, 200, status, "the former one makes way: %s", answer)
	status, _ = send("DELETE", "/a", "")
	require.Equal(t, 200, status)
	status, answer = send("POST", "", policy("b", `"dns":{"type":"dns"}`))
	require.Equal(t, 201, status, answer)
}

// TestCheckMemory checks that --check finds policies that would not fit at the start.
func TestCheckMemory(t *testing.T) {
	path := configFile(t, `
visor:
  config: {memory_limit: 40M}
  taps: {t: {input_type: mock}}
  policies:
    a: {kind: collection, input: {tap: t, input_type: mock}, handlers: {modules: {net: {type: net}}}}
    b: {kind: collection, input: {tap: t, input_type: mock}, handlers: {modules: {dns: {type: dns}}}}
`)
	var out bytes.Buffer
	require.Equal(t, exitMisuse, run(t.Context(), []string{"--check", path}, &out, &out))
	require.Contains(t, out.String(), "policy a: tap t, handlers net (net)")
	require.Contains(t, out.String(), "error: policy [b] does not fit into the memory limit: it may need 20.0 MiB (dns 20.0 MiB), and others ")
	require.Contains(t, out.String(), "; --memory-limit sets the limit of the process, twice as much")
	require.NotContains(t, out.String(), "policy b:")
	require.Equal(t, exitDone, run(t.Context(), []string{"--check", path, "--memory-limit", "off"}, &out, &out))
}

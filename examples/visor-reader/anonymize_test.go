package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAnonymize: no form of the answer has an address of the capture.
func TestAnonymize(t *testing.T) {
	dir, path := t.TempDir(), deleted(t)
	key := filepath.Join(dir, "key")
	require.NoError(t, os.WriteFile(key, []byte(strings.Repeat("5a", 32)), 0o600))
	policies := filepath.Join(dir, "p.yaml")
	require.NoError(t, os.WriteFile(policies, []byte("visor: {policies: {p: {kind: collection, input: {tap: t, input_type: pcap}, handlers: {modules: {net: {type: net}, a: {type: asks}}}}}}"), 0o600))
	snapshot := filepath.Join(dir, "s.vsnap")
	for _, args := range [][]string{
		{"--format", "text"}, {"--format", "json"}, {"--format", "pktvisor"}, {"--step", "1m"}, {"--name", "deleted.example.com"},
		{"--policy", policies}, {"--write-snapshot", snapshot, "--format", "text"},
	} {
		args = append(args, "-H", "192.0.2.0/24", path)
		code, whole, _ := call(t, nil, args...)
		require.Equal(t, exitDone, code)
		require.Contains(t, whole, "198.51.100.1", args)
		code, text, stderr := call(t, nil, append([]string{"--anonymize", "24,48"}, args...)...)
		require.Equal(t, exitDone, code, stderr)
		require.Contains(t, text, "198.51.100.0")
		require.NotRegexp(t, `198\.51\.100\.[12]\b`, text)
		if testing.Short() && args[0] != "--write-snapshot" {
			continue // the other method runs all outputs again
		}
		code, text, _ = call(t, nil, append([]string{"--anonymize", key}, args...)...)
		require.Equal(t, exitDone, code)
		require.NotContains(t, text, "198.51.100")
	}
	data, err := os.ReadFile(snapshot)
	require.NoError(t, err)
	require.NotContains(t, string(data), "\xc6\x33\x64\x01")
	code, _, _ := call(t, nil, "--anonymize", "24,48", "--client", "198.51.100.0/24", path)
	require.Equal(t, exitDone, code)

	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--anonymize", "24,x", path}, exitMisused, "must be two lengths"},
		{[]string{"--anonymize", "24,0", path}, exitMisused, "must be two lengths"},
		{[]string{"--anonymize", "33,48", path}, exitMisused, "must be from 1 to 32"},
		{[]string{"--anonymize", policies, path}, exitMisused, "a key of Crypto-PAn has 64 hexadecimal digits"},
		{[]string{"--anonymize", "24,48", "--client", "198.51.100.1", path}, exitMisused, "more exact than --anonymize allows"},
		{[]string{"--anonymize", "24,48", "--history", dir, "p"}, exitMisused, "cannot go with --history"},
		{[]string{"--anonymize", "24,48", snapshot}, exitMisused, "cannot change a snapshot"},
	} {
		code, _, stderr := call(t, nil, tt.args...)
		require.Equal(t, tt.code, code, tt.args)
		require.Contains(t, stderr, tt.want)
		require.NotContains(t, stderr, "kind: collection", "the bytes of a file")
	}
}

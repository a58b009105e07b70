package builtin

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/handler/policy"
)

// TestRecordings opens no input that is not a file, and checks keys as Catalog does.
func TestRecordings(t *testing.T) {
	types, all := Recordings(), Catalog()
	require.Equal(t, all.InputTypes(), types.InputTypes())
	target := policy.Options{"a": policy.Options{"target": "192.0.2.1"}}
	for typ, config := range map[string]policy.Options{
		"pcap": {"pcap_source": "mock"}, "dnstap": {"socket": filepath.Join(t.TempDir(), "s")},
		"flow": {"bind": "127.0.0.1", "port": uint64(1)}, "sflow": {"bind": "127.0.0.1", "port": uint64(1)},
		"netprobe": {"test_type": "ping", "targets": target}, "mock": {},
	} {
		_, err := types.Open(policy.InputEnv{}, typ, config, nil)
		require.EqualError(t, err, "this program only reads files", typ)
		_, err = types.CheckInput(typ, config, nil)
		require.NoError(t, err, typ)
	}
	missing := filepath.Join(t.TempDir(), "absent")
	for typ, key := range map[string]string{"pcap": "pcap_file", "dnstap": "dnstap_file", "flow": "pcap_file", "sflow": "pcap_file"} {
		_, err := types.Open(policy.InputEnv{}, typ, policy.Options{key: missing}, nil)
		require.ErrorContains(t, err, "absent", typ) // it looks for the file
	}
	for _, wrong := range []policy.Options{{"test_type": "pong", "targets": target}, {"test_type": "ping"}} {
		_, want := all.CheckInput("netprobe", wrong, nil)
		_, err := types.CheckInput("netprobe", wrong, nil)
		require.Error(t, want)
		require.Equal(t, want, err)
	}
}

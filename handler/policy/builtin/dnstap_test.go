package builtin

import (
	"crypto/tls"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/dnstap"
	"visor/decode"
	"visor/handler/policy"
	"visor/internal/certtest"
	"visor/internal/tlsfiles"
	"visor/internal/wait"
)

// tapWant is what a configuration of dnstap means.
type tapWant struct {
	File   string
	Listen dnstap.Config
	TLS    tlsfiles.Files
}

func TestParseTapInput(t *testing.T) {
	allowed, err := decode.ParseNetSet("192.0.2.0/24,198.51.100.9/32,2001:db8::1/128")
	require.NoError(t, err)
	for _, tt := range []struct {
		opts policy.Options
		want tapWant
	}{
		{policy.Options{"socket": "/run/tap", "tcp": "127.0.0.1:1"},
			tapWant{Listen: dnstap.Config{Network: "unix", Address: "/run/tap"}}},
		{policy.Options{"dnstap_file": "queries.dnstap", "socket": "/run/tap"}, tapWant{File: "queries.dnstap"}},
		{policy.Options{"socket": "/run/tap", "socket_mode": uint64(660), "socket_owner": "unbound", "socket_group": uint64(53)},
			tapWant{Listen: dnstap.Config{Network: "unix", Address: "/run/tap", Mode: 0o660, Owner: "unbound", Group: "53"}}},
		{policy.Options{"tcp": "[::1]:6000", "allow_from": []string{"192.0.2.0/24", "198.51.100.9", "2001:db8::1"},
			"max_clients": uint64(9), "max_clients_per_address": uint64(3), "idle_timeout_secs": uint64(60),
			"tls_cert": "c", "tls_key": "k", "tls_client_ca": "a"},
			tapWant{Listen: dnstap.Config{Network: "tcp", Address: "[::1]:6000", Allow: allowed, Clients: 9, PerAddress: 3, Idle: time.Minute},
				TLS: tlsfiles.Files{Cert: "c", Key: "k", ClientCA: "a"}}},
	} {
		in, err := parseTap(tt.opts)
		require.NoError(t, err)
		got := tapWant{File: in.File}
		if in.File == "" {
			got.Listen, got.TLS = in.listen(), in.tls()
		}
		require.Equal(t, tt.want, got)
	}
	for want, opts := range map[string]policy.Options{
		"config must specify one of: socket, dnstap_file":                nil,
		"invalid tcp address specification, use HOST:PORT":               {"tcp": "6000"},
		"unable to parse tcp address specification, use HOST:PORT":       {"tcp": "localhost:dnstap"},
		"file is an invalid/unsupported config":                          {"file": "x"},
		"socket_mode 0999: must be permissions in octal, as 0660":        {"socket": "s", "socket_mode": "0999"},
		"socket_mode 1777: must be permissions":                          {"socket": "s", "socket_mode": uint64(1777)},
		"tls_cert is for tcp, not for a socket":                          {"socket": "s", "tls_cert": "c"},
		"allow_from is for tcp, not for a socket":                        {"socket": "s", "allow_from": []string{"192.0.2.1"}},
		"socket_group is for a socket, not for tcp":                      {"tcp": "127.0.0.1:1", "socket_group": "g"},
		"tls_cert and tls_key go together, and tls_client_ca needs both": {"tcp": "127.0.0.1:1", "tls_client_ca": "a"},
		"invalid CIDR": {"tcp": "127.0.0.1:1", "allow_from": []string{"192.0.2.0/33"}},
	} {
		_, err := parseTap(opts)
		require.ErrorContains(t, err, want)
	}
	for _, mode := range []any{"0640", "640", "0o640", uint64(640)} {
		in, err := parseTap(policy.Options{"socket": "s", "socket_mode": mode})
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o640), in.Mode)
	}
}

// The key only_hosts is a filter, and has no effect in the configuration, as in pktvisor.
func TestParseTapFilter(t *testing.T) {
	config := policy.Options{"socket": "s", "only_hosts": []string{"x"}}
	types := Catalog()
	for want, filter := range map[string]policy.Options{
		"": {"only_hosts": []string{"192.0.2.0/24", "2001:db8::/32"}},
		"invalid CIDR: 192.0.2.0; did you mean 192.0.2.0/32 or 192.0.2.0/24?":                         {"only_hosts": []string{"192.0.2.0"}},
		"hosts is an invalid/unsupported config or filter. The valid configs/filters are: only_hosts": {"hosts": true},
		"tcp is an invalid/unsupported config or filter. The valid configs/filters are: only_hosts":   {"tcp": "127.0.0.1:1"},
	} {
		_, err := types.CheckInput("dnstap", config, filter)
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.EqualError(t, err, want)
	}
	nets, err := onlyHosts([]string{"192.0.2.0/24", "2001:db8::/32"})
	require.NoError(t, err)
	set := nets.(decode.NetSet)
	require.True(t, set.Contains(netip.MustParseAddr("2001:db8::1")))
}

// openTap opens a tap of dnstap, which is closed with the test.
func openTap(t *testing.T, inputs policy.InputEnv, config policy.Options) capture.Source {
	o, err := Catalog().Open(inputs, "dnstap", config, nil)
	require.NoError(t, err)
	require.True(t, capture.IsLive(o.Sources[0]))
	t.Cleanup(func() { _ = o.Sources[0].Close() })
	return o.Sources[0]
}

// TestTapSocket makes the socket for its group alone.
func TestTapSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	openTap(t, policy.InputEnv{}, policy.Options{"socket": path})
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o660), info.Mode().Perm())
}

// TestTapTLS lets clients with a certificate in.
func TestTapTLS(t *testing.T) {
	dir := t.TempDir()
	server, client := certtest.Sign(t, "server", nil), certtest.Sign(t, "client", nil)
	file := func(name string, pem []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, pem, 0o600))
		return path
	}
	src := openTap(t, policy.InputEnv{}, policy.Options{
		"tcp": "127.0.0.1:0", "tls_cert": file("cert", server.CertPEM), "tls_key": file("key", server.KeyPEM), "tls_client_ca": file("ca", client.CertPEM),
	})
	address := src.(*dnstap.Listener).Addr().String()
	plain, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer plain.Close()
	_, err = plain.Write(make([]byte, 64))
	require.NoError(t, err)
	wait.Until(t, func() bool { return len(capture.ReasonsOf(src)) == 1 })
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: server.Pool(), Certificates: []tls.Certificate{client.TLS()}})
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x02\x00\x00\x00\x03abc"))
	require.NoError(t, err)
	var b capture.Batch
	require.NoError(t, src.ReadBatch(&b))
	require.Equal(t, "abc", string(b.Frames[0].Data))

	_, err = Catalog().Open(policy.InputEnv{}, "dnstap", policy.Options{"tcp": "127.0.0.1:0", "tls_cert": dir, "tls_key": dir}, nil)
	require.ErrorContains(t, err, "invalid TLS configuration")
}

// TestTapHandedOver listens on a socket that was opened for the process, and ignores another one.
func TestTapHandedOver(t *testing.T) {
	given, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	inputs := policy.InputEnv{Socket: func(network, address string) (net.Listener, error) {
		if network == "unix" && address == "/run/visord/dnstap.sock" {
			return given, nil
		}
		return nil, nil
	}}
	src := openTap(t, inputs, policy.Options{"socket": "/run/visord/dnstap.sock"})
	require.Equal(t, given.Addr(), src.(*dnstap.Listener).Addr())
	path := filepath.Join(t.TempDir(), "s")
	src = openTap(t, inputs, policy.Options{"socket": path})
	require.Equal(t, path, src.(*dnstap.Listener).Addr().String())
}

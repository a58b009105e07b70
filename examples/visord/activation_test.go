//go:build unix

package main

import (
	"encoding/binary"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode/dnstapmsg"
	"visor/internal/packettest"
)

func TestSameAddress(t *testing.T) {
	port := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 6000} }
	unix := &net.UnixAddr{Net: "unix", Name: "/run/visord/dnstap.sock"}
	for _, tt := range []struct {
		addr             net.Addr
		network, address string
		want             bool
	}{
		{unix, "unix", "/run/visord/dnstap.sock", true},
		{unix, "unix", "/run/visord//dnstap.sock", true},
		{unix, "unix", "/run/visord/other.sock", false},
		{unix, "tcp", "127.0.0.1:6000", false},
		{port("127.0.0.1"), "tcp", "127.0.0.1:6000", true},
		{port("127.0.0.1"), "tcp", "127.0.0.1:6001", false},
		{port("127.0.0.1"), "tcp", "0.0.0.0:6000", false},
		{port("::"), "tcp", "0.0.0.0:6000", true},
		{port("::"), "tcp", ":6000", true},
		{port("192.0.2.1"), "tcp", "no port", false},
	} {
		require.Equal(t, tt.want, sameAddress(tt.addr, tt.network, tt.address), "%v %s %s", tt.addr, tt.network, tt.address)
	}
}

// TestHandedOver passes a socket as systemd does, in a directory where visord could not create one.
// visord keeps it when the policy is reloaded. A message sent before visord started is not lost.
func TestHandedOver(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	l.SetUnlinkOnClose(false)
	socket, err := l.File()
	require.NoError(t, err)
	defer socket.Close()
	require.NoError(t, l.Close())
	config := filepath.Join(dir, "visord.yaml")
	document := `
visor:
  taps: {names: {input_type: dnstap, config: {socket: ` + path + `}}}
  policies: {names: {kind: collection, input: {tap: names, input_type: dnstap}, handlers: {modules: {dns: {type: dns}}}}}
`
	require.NoError(t, os.WriteFile(config, []byte(document), 0o600))
	sendTapped(t, path, 3)

	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"`, program.Path(t), "-l", "127.0.0.1", "-p", "0", "--admin-api", "--config", config)
	cmd.ExtraFiles = []*os.File{socket}
	p := launch(t, cmd)
	p.counted("names", 3)
	sendTapped(t, path, 4)
	p.counted("names", 7)

	require.Equal(t, 200, p.change("DELETE", "/api/v1/policies/names", ""))
	_, err = os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, 201, p.change("POST", "/api/v1/policies", `
visor:
  policies: {again: {kind: collection, input: {tap: names, input_type: dnstap}, handlers: {modules: {dns: {type: dns}}}}}
`))
	sendTapped(t, path, 5)
	p.counted("again", 5)
}

// change sends a document and returns the status of the answer.
func (p *process) change(method, path, document string) int {
	req, err := http.NewRequest(method, p.url+path, strings.NewReader(document))
	require.NoError(p.t, err)
	req.Header.Set("Content-Type", "application/x-yaml")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(p.t, err)
	defer resp.Body.Close()
	return resp.StatusCode
}

// sendTapped sends n dnstap messages to a socket.
func sendTapped(t *testing.T, path string, n int) {
	conn, err := net.Dial("unix", path)
	require.NoError(t, err)
	defer conn.Close()
	stream := []byte("\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x02") // START
	for i := range n {
		m := dnstapmsg.Message{Type: dnstapmsg.ClientQuery, Query: packettest.Query(uint16(i), "example.com", 1)}
		frame := m.AppendTo(nil)
		stream = append(binary.BigEndian.AppendUint32(stream, uint32(len(frame))), frame...)
	}
	_, err = conn.Write(stream)
	require.NoError(t, err)
}

package main

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/pcapfile"
	"visor/decode"
	"visor/internal/packettest"
)

// deleted returns a capture in which two clients ask for a deleted name, over five minutes.
func deleted(t *testing.T) string {
	var frames []capture.Frame
	exchange := func(after time.Duration, client, name string, qtype uint16, rcode byte) {
		query := packettest.Query(1, name, qtype)
		frames = append(frames, packettest.UDP(after, client, "192.0.2.53:53", query), packettest.UDP(after+time.Millisecond, "192.0.2.53:53", client, packettest.Reply(query, rcode, 0)))
	}
	for i := range 300 {
		at := time.Duration(i) * time.Second
		exchange(at, "198.51.100.1:4000", "deleted.example.com", 1, 3)
		if i%3 == 0 {
			exchange(at, "198.51.100.2:4000", "Deleted.Example.com", 28, 3)
		}
		exchange(at, "198.51.100.2:4000", "www.example.com", 1, 0)
	}
	slices.SortStableFunc(frames, func(a, b capture.Frame) int { return cmp.Compare(a.TimeNS, b.TimeNS) })
	path := filepath.Join(t.TempDir(), "deleted.pcap")
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	w, err := pcapfile.NewWriter(f, pcapfile.WriterConfig{Link: decode.LinkEthernet})
	require.NoError(t, err)
	for _, frame := range frames {
		require.NoError(t, w.WriteFrame(frame))
	}
	require.NoError(t, w.Flush())
	return path
}

// --name answers which clients ask for a name, when, for which types, and with which results.
func TestName(t *testing.T) {
	path := deleted(t)
	code, text, _ := call(t, nil, "--format", "text", "--width", "300", "--name", "deleted.example.com", path)
	require.Equal(t, exitDone, code)
	require.Contains(t, text, ", 2 clients asked for deleted.example.com: 400 queries (A 300, AAAA 100), 400 replies (NXDOMAIN 400). Clients by queries: 198.51.100.1 (300), 198.51.100.2 (100).")
	require.Regexp(t, `198\.51\.100\.1 +300 +A 300 +300 +NXDOMAIN 300 +\d`, text)
	require.Regexp(t, `198\.51\.100\.2 +100 +AAAA 100 +100 +NXDOMAIN 100 +\d`, text)
	require.Contains(t, text, "asked from ", "a line of time")
	require.NotContains(t, text, "www.example.com")

	code, text, _ = call(t, nil, "--format", "json", "--name", "*.example.com", path)
	require.Equal(t, exitDone, code)
	var answer map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(text), &answer))
	require.Contains(t, string(answer["5m"]), `"qnames":{"deleted.example.com":{"a":300,"aaaa":100`)
}

// --client answers what a client asks for.
func TestClient(t *testing.T) {
	code, text, _ := call(t, nil, "--format", "text", "--width", "300", "--client", "198.51.100.2", deleted(t))
	require.Equal(t, exitDone, code)
	require.Regexp(t, `www\.example\.com +300 +A 300 +300 +NODATA 300`, text)
	require.Regexp(t, `deleted\.example\.com +100 +AAAA 100 +100 +NXDOMAIN 100`, text)

	for _, args := range [][]string{{"--client", "x", "a"}, {"--name", "a", "--step", "1m", "a"}, {"--name", "a", "-i", "netflow", "a"}} {
		code, _, _ := call(t, nil, args...)
		require.Equal(t, exitMisused, code)
	}
}

package main

import (
	"bytes"
	"context"
	"database/sql"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture/pcapfile"
	"visor/decode"
	"visor/export/httpapi"
	"visor/handler"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
	"visor/internal/pgtest"
	"visor/internal/trafficgen"
	"visor/internal/wait"
)

// The closed period of an agent's policies arrives once, under the agent's name.
func TestFeeder(t *testing.T) {
	pg := pgtest.Start(t, "hll")
	db, err := sql.Open("pgx", pg.URL())
	require.NoError(t, err)
	defer db.Close()

	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog()})
	defer m.Close()
	path := filepath.Join(t.TempDir(), "a.pcap")
	writeMinutes(t, path)
	doc, err := builtin.Catalog().Parse([]byte(`
visor:
  taps: {recording: {input_type: pcap, config: {pcap_file: "` + path + `"}}}
  policies:
    names: {kind: collection, input: {tap: recording, input_type: pcap}, handlers: {modules: {dns: {type: dns}}}}
    traffic: {kind: collection, input: {tap: recording, input_type: pcap}, handlers: {modules: {net: {type: net}}}}
`))
	require.NoError(t, err)
	require.NoError(t, m.Load(doc))
	for _, p := range m.Policies() {
		<-p.Parts[0].Ended()
	}
	api, err := httpapi.New(httpapi.Config{Policies: m, Origin: handler.Origin{Agent: "ns1"}})
	require.NoError(t, err)
	server := httptest.NewServer(api)
	defer server.Close()

	var log bytes.Buffer
	a, err := parseAgent(server.URL+"/", "")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, options{db: pg.URL(), every: 10 * time.Millisecond, agents: []agent{a}}, slog.New(slog.NewTextHandler(&log, nil)))
	}()
	count := func(query string) (n int) {
		if err := db.QueryRow(query).Scan(&n); err != nil {
			return 0 // the tables are not there yet
		}
		return n
	}
	// one of them shows the input's cost
	wait.Until(t, func() bool { return count("SELECT count(DISTINCT policy) FROM visor_count WHERE agent = 'ns1'") == 3 })
	cancel()
	require.NoError(t, <-done)
	require.Empty(t, log.String())
	require.Equal(t, 1, count("SELECT count(*) FROM visor_count WHERE metric = 'dns_wire_packets_queries' AND policy = 'names'"))
	require.Equal(t, 1, count("SELECT count(*) FROM visor_count WHERE metric = 'packets_total' AND policy = 'traffic'"))
}

// writeMinutes writes a capture of four minutes.
func writeMinutes(t *testing.T, path string) {
	frames, _ := trafficgen.Frames(trafficgen.Mixed(2000))
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	w, err := pcapfile.NewWriter(f, pcapfile.WriterConfig{Link: decode.LinkEthernet})
	require.NoError(t, err)
	for i := range frames {
		frames[i].TimeNS = frames[0].TimeNS + int64(i)*int64(4*time.Minute)/int64(len(frames))
		require.NoError(t, w.WriteFrame(frames[i]))
	}
	require.NoError(t, w.Flush())
}

func TestParse(t *testing.T) {
	var help bytes.Buffer
	_, err := parse([]string{"-h"}, &help)
	require.Error(t, err)
	require.Contains(t, help.String(), "Usage:")
	o, err := parse([]string{"--db", "x", "--every", "5s", "http://ns1:10853/", "https://ns2=a,b"}, &help)
	require.NoError(t, err)
	require.Equal(t, []agent{{url: "http://ns1:10853"}, {url: "https://ns2", policies: []string{"a", "b"}}}, o.agents)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "--db is missing"},
		{[]string{"--db", "x"}, "no AGENT given"},
		{[]string{"--db", "x", "--every", "2m", "http://a"}, "--every 2m0s: must be from 1s to 1m"},
		{[]string{"--db", "x", "ns1:10853"}, "ns1:10853: must be the URL of an agent"},
		{[]string{"--db", "x", "--token-file", "/does/not/exist", "http://a"}, "--token-file: open /does/not/exist"},
	} {
		_, err := parse(tt.args, &help)
		require.ErrorContains(t, err, tt.want)
	}
}

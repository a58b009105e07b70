package compat_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/dnstap"
	"visor/handler/policy/builtin"
	"visor/internal/sharedtest"
)

// inputEntry is an expected value of an input, without handlers.
type inputEntry struct {
	ID      string `json:"id"`
	Fixture string `json:"fixture"`
	Handler string `json:"handler"`
	Input   string `json:"input"`
	Metrics string `json:"metrics"`
	Config  struct {
		Filter struct {
			OnlyHosts any `json:"only_hosts"`
		} `json:"input_filter"`
		Chunks []string `json:"chunks_hex"`
	} `json:"config"`
	Expect []struct {
		Path  string `json:"path"`
		Value any    `json:"value"`
	} `json:"expect"`
}

// TestExpectedDNSTapInput runs the entries of pktvisor's expected values that concern only its
// dnstap input: files, the filter only_hosts and its errors, the handshake.
func TestExpectedDNSTapInput(t *testing.T) {
	run := 0
	for _, one := range readEntries(t) {
		var kind struct{ Input, Handler, Metrics string }
		require.NoError(t, json.Unmarshal(one, &kind))
		if kind.Input != "dnstap" || kind.Handler != "" {
			continue
		}
		run++
		var e inputEntry
		require.NoError(t, json.Unmarshal(one, &e))
		t.Run(e.ID, func(t *testing.T) {
			switch e.Metrics {
			case "framing":
				e.handshake(t)
			default:
				e.file(t)
			}
		})
	}
	require.Equal(t, 10, run)
}

// file reads the fixture through the filter.
func (e *inputEntry) file(t *testing.T) {
	hosts, err := builtin.ParseNetworks(e.hosts())
	want := e.Expect[0]
	if want.Path == "$error" {
		require.ErrorContains(t, err, want.Value.(string))
		return
	}
	require.NoError(t, err)
	var src capture.Source
	src, err = dnstap.Open(filepath.Join(sharedtest.Dir(t, "corpus", "pktvisor"), filepath.Base(e.Fixture)))
	require.NoError(t, err)
	defer src.Close()
	if want.Path == "$start" {
		return
	}
	src = dnstap.OnlyHosts(src, hosts)
	delivered := 0
	var b capture.Batch
	for src.ReadBatch(&b) == nil {
		delivered += len(b.Frames)
	}
	require.EqualValues(t, want.Value, delivered)
}

func (e *inputEntry) hosts() string {
	list, ok := e.Config.Filter.OnlyHosts.([]any)
	if !ok {
		text, _ := e.Config.Filter.OnlyHosts.(string)
		return text
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", ","), "[]")
}

// handshake writes the chunks to a listener, and reads its answer and the resulting frames. The
// first one is not a READY frame: a byte of its length is duplicated, and its last byte is missing.
// pktvisor accepts it anyway; visor refuses it, and accepts the corrected frame. visor's answer
// names the content type, as the protocol requires (https://farsightsec.github.io/fstrm/), and so
// is longer than pktvisor's.
func (e *inputEntry) handshake(t *testing.T) {
	address := filepath.Join(t.TempDir(), "s")
	live, err := dnstap.Listen(dnstap.Config{Network: "unix", Address: address})
	require.NoError(t, err)
	defer live.Close()
	var chunks [][]byte
	for _, c := range e.Config.Chunks {
		bytes, err := hex.DecodeString(c)
		require.NoError(t, err)
		chunks = append(chunks, bytes)
	}
	wrong := dial(t, address)
	_, err = wrong.Write(chunks[0])
	require.NoError(t, err)
	_, err = wrong.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)

	conn := dial(t, address)
	require.Equal(t, chunks[0][7], chunks[0][8])
	_, err = conn.Write(append(slices.Delete(slices.Clone(chunks[0]), 8, 9), 'p'))
	require.NoError(t, err)
	answer := make([]byte, 12)
	_, err = io.ReadFull(conn, answer)
	require.NoError(t, err)
	require.Equal(t, "$after_chunk_1.sent_hex", e.Expect[2].Path)
	want := e.Expect[2].Value.(string)
	got := hex.EncodeToString(answer)
	require.Equal(t, want[:8]+want[16:], got[:8]+got[16:], "without the length")

	for _, c := range chunks[1:] {
		_, err = conn.Write(c)
		require.NoError(t, err)
	}
	require.Equal(t, "$after_chunk_3.data_frames", e.Expect[4].Path)
	frames := 0
	var b capture.Batch
	for frames < int(e.Expect[4].Value.(float64)) {
		require.NoError(t, live.ReadBatch(&b))
		frames += len(b.Frames)
	}
	require.EqualValues(t, e.Expect[4].Value, frames)
}

func dial(t *testing.T, address string) net.Conn {
	conn, err := net.Dial("unix", address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(2*time.Minute)))
	return conn
}

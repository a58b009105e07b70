package export_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/export"
	"visor/handler"
	"visor/handler/dns"
	"visor/sketch/hash64"
)

// Counts under different hash keys do not merge. Text lists what is left out, within its width.
func TestLeftOut(t *testing.T) {
	var parts []*handler.Snapshot
	for _, agent := range []string{"ns1", "ns2"} {
		h, err := dns.New(dns.Config{Settings: handler.Settings{Name: agent}})
		require.NoError(t, err)
		p, err := handler.NewPipeline(handler.Config{Hash: hash64.Random(), Sources: []capture.Source{capture.NewMemory(traffic())}, Handlers: []handler.Handler{h}})
		require.NoError(t, err)
		require.NoError(t, p.Run(t.Context()))
		s, err := p.Bucket(0)
		require.NoError(t, err)
		data, err := s.AppendBinary(nil, handler.Origin{Agent: agent}, handler.DefaultEntries)
		require.NoError(t, err)
		s, err = handler.ReadSnapshot(data)
		require.NoError(t, err)
		s.Modules[0].Name = "dns"
		parts = append(parts, s)
	}
	sum, err := handler.Merge(parts...)
	require.NoError(t, err)
	require.NotEmpty(t, sum.Modules[0].LeftOut)
	var b strings.Builder
	require.NoError(t, export.WriteText(&b, sum, export.TextConfig{Width: 60}))
	require.Contains(t, strings.ReplaceAll(b.String(), "\n", " "), "left out, because of several hash keys or unknown to this program: dns_cardinality_qname")
	for line := range strings.Lines(b.String()) {
		require.LessOrEqual(t, len([]rune(strings.TrimSuffix(line, "\n"))), 60)
	}
}

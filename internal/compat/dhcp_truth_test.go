package compat_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/gopkt"
	"visor/capture/pcapfile"
	"visor/handler"
	"visor/handler/dhcp"
	"visor/internal/sharedtest"
)

// TestTruthDHCP compares counts of DHCP messages with tshark's, by type, on every capture in which tshark has found some.
func TestTruthDHCP(t *testing.T) {
	root := sharedtest.Dir(t, "corpus")
	reasons := differences(t, "testdata/dhcp-differences.tsv")
	files := 0
	for _, name := range captures(t, root) {
		raw, err := os.ReadFile(filepath.Join(root, "truth", name+".json"))
		require.NoError(t, err)
		var want struct {
			V4 map[string]uint64 `json:"dhcp_types"`
			V6 map[string]uint64 `json:"dhcpv6_types"`
		}
		require.NoError(t, json.Unmarshal(raw, &want))
		if want.V4 == nil && want.V6 == nil {
			continue
		}
		files++
		m := dhcpMetrics(t, filepath.Join(root, name))
		expected := []uint64{want.V4["1"], want.V4["2"], want.V4["3"], want.V4["5"], want.V6["1"], want.V6["2"], want.V6["3"], want.V6["7"]}
		got := []uint64{
			m.Discover.Value(), m.Offer.Value(), m.Request.Value(), m.Ack.Value(),
			m.Solicit.Value(), m.Advertise.Value(), m.RequestV6.Value(), m.Reply.Value(),
		}
		equal := slices.Equal(expected, got)
		if why := reasons.use(name, !equal); why == "" && !equal {
			t.Errorf("%s: tshark %v, visor %v", name, expected, got)
		}
	}
	require.Greater(t, files, 40)
	reasons.requireAllUsed(t)
}

func dhcpMetrics(t *testing.T, path string) *dhcp.Metrics {
	src, err := pcapfile.Open(path)
	require.NoError(t, err)
	h, err := dhcp.New(dhcp.Config{Settings: handler.Settings{Periods: 1}})
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{src}, Handlers: []handler.Handler{h}, Fallback: gopkt.Fallback{}})
	require.NoError(t, err)
	_ = p.Run(context.Background()) // damaged files are counted up to the damage
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	return dhcp.From(snap)
}

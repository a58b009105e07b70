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
	"visor/handler/bgp"
	"visor/handler/dhcp"
	"visor/internal/sharedtest"
)

// TestTruthDHCP compares counts of DHCP messages with tshark's, by type, on every capture in which
// tshark has found some.
func TestTruthDHCP(t *testing.T) {
	compareTypes(t, "testdata/dhcp-differences.tsv", 40, func(want types, path string) (expected, got []uint64) {
		if want.V4 == nil && want.V6 == nil {
			return nil, nil
		}
		h, err := dhcp.New(dhcp.Config{Settings: handler.Settings{Periods: 1}})
		require.NoError(t, err)
		m := dhcp.From(analyseFile(t, path, h))
		expected = []uint64{want.V4["1"], want.V4["2"], want.V4["3"], want.V4["5"], want.V6["1"], want.V6["2"], want.V6["3"], want.V6["7"]}
		return expected, []uint64{
			m.Discover.Value(), m.Offer.Value(), m.Request.Value(), m.Ack.Value(),
			m.Solicit.Value(), m.Advertise.Value(), m.RequestV6.Value(), m.Reply.Value(),
		}
	})
}

// TestTruthBGP does the same for BGP messages.
func TestTruthBGP(t *testing.T) {
	compareTypes(t, "testdata/bgp-differences.tsv", 20, func(want types, path string) (expected, got []uint64) {
		if want.BGP == nil {
			return nil, nil
		}
		h, err := bgp.New(bgp.Config{Settings: handler.Settings{Periods: 1}})
		require.NoError(t, err)
		m := bgp.From(analyseFile(t, path, h))
		expected = []uint64{want.BGP["1"], want.BGP["2"], want.BGP["3"], want.BGP["4"], want.BGP["5"]}
		return expected, []uint64{
			m.Open.Value(), m.Update.Value(), m.Notification.Value(), m.Keepalive.Value(), m.RouteRefresh.Value(),
		}
	})
}

// compareTypes compares the counts of the corpus's captures. More than least captures must have
// some messages; for the others both counts are nil. A table lists the differences.
func compareTypes(t *testing.T, table string, least int, counts func(want types, path string) (expected, got []uint64)) {
	root := sharedtest.Dir(t, "corpus")
	reasons := differences(t, table)
	files := 0
	for _, name := range captures(t, root) {
		expected, got := counts(readTypes(t, root, name), filepath.Join(root, name))
		if expected == nil {
			continue
		}
		files++
		equal := slices.Equal(expected, got)
		if why := reasons.use(name, !equal); why == "" && !equal {
			t.Errorf("%s: tshark %v, visor %v", name, expected, got)
		}
	}
	require.Greater(t, files, least)
	reasons.requireAllUsed(t)
}

// types is tshark's count of a capture's messages by type number.
type types struct {
	V4  map[string]uint64 `json:"dhcp_types"`
	V6  map[string]uint64 `json:"dhcpv6_types"`
	BGP map[string]uint64 `json:"bgp_types"`
}

func readTypes(t *testing.T, root, name string) (want types) {
	raw, err := os.ReadFile(filepath.Join(root, "truth", name+".json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &want))
	return want
}

// analyseFile returns the counts of h for a capture, up to the first damage.
func analyseFile(t *testing.T, path string, h handler.Handler) *handler.Snapshot {
	src, err := pcapfile.Open(path)
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{src}, Handlers: []handler.Handler{h}, Fallback: gopkt.Fallback{}})
	require.NoError(t, err)
	_ = p.Run(context.Background())
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	return snap
}

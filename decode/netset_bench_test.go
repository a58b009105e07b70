package decode_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode"
)

// BenchmarkDirection uses directions in random order, as in captures. No pattern repeats that the
// processor could learn.
func BenchmarkDirection(b *testing.B) {
	own, err := decode.ParseNetSet("10.0.0.0/8,192.168.0.0/16")
	require.NoError(b, err)
	ends := [2]netip.Addr{netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("198.51.100.7")}
	random := uint64(1)
	for b.Loop() {
		random = random*6364136223846793005 + 1442695040888963407
		way := random >> 63
		own.Direction(ends[way], ends[1-way])
	}
}

package export_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/export"
	"visor/handler"
	"visor/handler/dns"
	"visor/internal/packettest"
)

// An answer of this program has no bounds to state while its lists are exact. After a journey it
// has bounds for cut lists and for coarse quantiles.
func TestBounds(t *testing.T) {
	var frames []capture.Frame
	for i := range 2000 {
		client := fmt.Sprintf("192.0.2.%d:%d", 1+i%200, 1024+i)
		server := fmt.Sprintf("198.51.100.%d:53", 1+i%100)
		query := packettest.Query(uint16(i), fmt.Sprintf("n%d.d%d.example", i, i%500), 1)
		for k, f := range []capture.Frame{
			packettest.UDP(0, client, server, query), packettest.UDP(0, server, client, packettest.Reply(query, 0, 1)),
		} {
			f.TimeNS = int64(i)*1_000_000 + int64(k)*int64(100_000+i*17)
			frames = append(frames, f)
		}
	}
	h, err := dns.NewTransactions(dns.Config{Settings: handler.Settings{Enable: []string{"everything"}}})
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{capture.NewMemory(frames)}, Handlers: []handler.Handler{h}})
	require.NoError(t, err)
	require.NoError(t, p.Run(t.Context()))
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	require.Empty(t, export.Bounds(snap))
	require.Empty(t, export.BoundLines(export.Bounds(snap)))

	data, err := snap.AppendBinary(nil, handler.Origin{Agent: "a"}, handler.DefaultEntries)
	require.NoError(t, err)
	read, err := handler.ReadSnapshot(data)
	require.NoError(t, err)
	bounds := export.Bounds(read)["dns"]
	require.Equal(t, export.Bound{}, bounds["dns_xact_out_quantiles_us"], "pktvisor's quantiles travel as they are")
	kinds := make(map[string]int)
	for name, b := range bounds {
		switch {
		case b.TooHigh > 0:
			kinds["too high"]++
			require.LessOrEqual(t, b.TooHigh, b.Of, name)
		case b.TooLow > 0:
			kinds["too low"]++
		default:
			kinds["within"]++
			require.Equal(t, 1.0/128, b.Within, name)
		}
	}
	require.Len(t, kinds, 3, "%v", bounds)
	lines := export.BoundLines(export.Bounds(read))
	require.Len(t, lines, 3)
	require.Contains(t, lines[0], "may be too high, at most by")
	require.Contains(t, lines[1], "may be too low, at most by")
	require.Contains(t, lines[2], "are within 0.8 % of the true values")
}

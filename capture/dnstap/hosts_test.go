package dnstap_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/dnstap"
	"visor/decode"
	"visor/decode/dnstapmsg"
)

// TestOnlyHosts accepts messages if either address is in a network. A missing address is in no
// network.
func TestOnlyHosts(t *testing.T) {
	message := func(asked, answers string) capture.Frame {
		m := dnstapmsg.Message{Type: dnstapmsg.ClientQuery}
		for text, field := range map[string]*[]byte{asked: &m.QueryAddr, answers: &m.ResponseAddr} {
			if text == "" {
				continue
			}
			addr := netip.MustParseAddr(text)
			*field = addr.AsSlice()
			m.IPv4, m.IPv6 = addr.Is4(), addr.Is6()
		}
		return capture.Frame{Data: m.AppendTo(nil), Link: decode.LinkDNSTap}
	}
	frames := []capture.Frame{
		message("192.0.2.1", "198.51.100.1"), message("198.51.100.1", "192.0.2.1"), message("198.51.100.1", "198.51.100.2"),
		message("192.0.2.1", ""), message("2001:db8::1", ""), message("", "2001:db8::1"), message("", ""),
		{Data: []byte("no message"), Link: decode.LinkDNSTap},
	}
	for spec, want := range map[string][]int{
		"192.0.2.0/24": {0, 1, 3, 7}, "2001:db8::/32": {4, 5, 7}, "::/0": {4, 5, 7}, "203.0.113.0/24": {7},
		"192.0.2.0/24,2001:db8::/32": {0, 1, 3, 4, 5, 7},
	} {
		hosts, err := decode.ParseNetSet(spec)
		require.NoError(t, err)
		src := dnstap.OnlyHosts(capture.NewMemory(frames), hosts)
		var b capture.Batch
		require.NoError(t, src.ReadBatch(&b))
		var expected []capture.Frame
		for _, i := range want {
			expected = append(expected, frames[i])
		}
		require.Equal(t, expected, b.Frames, spec)
	}
}

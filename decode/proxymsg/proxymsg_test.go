package proxymsg_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode/proxymsg"
)

// v2 returns a header of version 2 with a body.
func v2(command, family byte, body ...byte) []byte {
	b := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), 0x20|command, family<<4|1)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(body))), body...)
}

var ipv4 = []byte{192, 0, 2, 7, 198, 51, 100, 1, 0x9C, 0x40, 0, 53}

func TestParse(t *testing.T) {
	ipv6 := make([]byte, 36)
	copy(ipv6, netip.MustParseAddr("2001:db8::7").AsSlice())
	copy(ipv6[16:], netip.MustParseAddr("2001:db8::1").AsSlice())
	ipv6[33], ipv6[35] = 7, 53
	for _, tt := range []struct {
		name, in, src, dst string
		len                int
		err                error
	}{
		{"v2, IPv4", string(v2(1, 1, ipv4...)) + "rest", "192.0.2.7:40000", "198.51.100.1:53", 28, nil},
		{"v2, with options", string(v2(1, 1, append(ipv4, 3, 0, 1, 9)...)), "192.0.2.7:40000", "198.51.100.1:53", 32, nil},
		{"v2, IPv6", string(v2(1, 2, ipv6...)), "[2001:db8::7]:7", "[2001:db8::1]:53", 52, nil},
		{"v2, the proxy itself", string(v2(0, 0)), "invalid AddrPort", "invalid AddrPort", 16, nil},
		{"v2, Unix sockets", string(v2(1, 3, make([]byte, 216)...)), "invalid AddrPort", "invalid AddrPort", 232, nil},
		{"v2, too short for its family", string(v2(1, 1, ipv4[:11]...)), "", "", 0, proxymsg.ErrMalformed},
		{"v2, command", string(v2(2, 1, ipv4...)), "", "", 0, proxymsg.ErrMalformed},
		{"v2, cut", string(v2(1, 1, ipv4...)[:27]), "", "", 28, proxymsg.ErrTruncated},
		{"v2, signature cut", "\r\n\r", "", "", 0, proxymsg.ErrTruncated},
		{"v1", "PROXY TCP4 192.0.2.7 198.51.100.1 40000 53\r\nrest", "192.0.2.7:40000", "198.51.100.1:53", 44, nil},
		{"v1, IPv6", "PROXY TCP6 2001:db8::7 2001:db8::1 7 53\r\n", "[2001:db8::7]:7", "[2001:db8::1]:53", 41, nil},
		{"v1, unknown", "PROXY UNKNOWN anything\r\n", "invalid AddrPort", "invalid AddrPort", 24, nil},
		{"v1, port", "PROXY TCP4 192.0.2.7 198.51.100.1 99999 53\r\n", "", "", 0, proxymsg.ErrMalformed},
		{"v1, fields", "PROXY TCP4 192.0.2.7\r\n", "", "", 0, proxymsg.ErrMalformed},
		{"v1, no end", fmt.Sprintf("PROXY %0200d", 1), "", "", 0, proxymsg.ErrMalformed},
		{"v1, cut", "PROXY TCP4 19", "", "", 0, proxymsg.ErrTruncated},
		{"neither", "GET / HTTP/1.1", "", "", 0, proxymsg.ErrNone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, err := proxymsg.Parse([]byte(tt.in))
			require.ErrorIs(t, err, tt.err)
			require.Equal(t, err != proxymsg.ErrNone, proxymsg.Begins([]byte(tt.in)))
			require.Equal(t, tt.len, h.Len)
			if err == nil {
				require.Equal(t, tt.src, h.Src.String())
				require.Equal(t, tt.dst, h.Dst.String())
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(v2(1, 1, ipv4...))
	f.Add([]byte("PROXY TCP4 192.0.2.7 198.51.100.1 40000 53\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := proxymsg.Parse(b)
		if err == nil {
			require.LessOrEqual(t, h.Len, len(b))
			require.Equal(t, h.Src.IsValid(), h.Dst.IsValid())
			again, err := proxymsg.Parse(b[:h.Len])
			require.NoError(t, err)
			require.Equal(t, h, again)
		}
	})
}

func TestParseAllocs(t *testing.T) {
	b := v2(1, 1, ipv4...)
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = proxymsg.Parse(b) }))
}

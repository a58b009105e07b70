package dhcpmsg_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode/dhcpmsg"
	"visor/internal/packettest"
)

func TestV4(t *testing.T) {
	m, err := dhcpmsg.ParseV4(packettest.DHCP(dhcpmsg.Request, 0xDEADBEEF, "192.0.2.7", dhcpmsg.OptionHostName, "printer"))
	require.NoError(t, err)
	require.Equal(t, dhcpmsg.Request, m.Type())
	require.EqualValues(t, 0xDEADBEEF, m.XID())
	require.Equal(t, "192.0.2.7", m.YourAddr().String())
	require.Equal(t, []byte{2, 0, 0, 0, 0, 1}, m.HardwareAddr())
	name, ok := m.Option(dhcpmsg.OptionHostName)
	require.True(t, ok)
	require.Equal(t, "printer", string(name))
	_, ok = m.Option(dhcpmsg.OptionServerID)
	require.False(t, ok)
}

func TestV4Errors(t *testing.T) {
	whole := packettest.DHCP(dhcpmsg.Ack, 1, "192.0.2.7")
	_, err := dhcpmsg.ParseV4(whole[:239])
	require.ErrorIs(t, err, dhcpmsg.ErrTruncated)
	bootp := append([]byte(nil), whole...)
	bootp[236] = 0
	_, err = dhcpmsg.ParseV4(bootp)
	require.ErrorIs(t, err, dhcpmsg.ErrMalformed)
}

// TestV4Options reads unusual options: padding, lengths beyond the end, continuation in other
// fields.
func TestV4Options(t *testing.T) {
	message := func(options ...byte) dhcpmsg.V4 {
		b := packettest.DHCP(dhcpmsg.Ack, 1, "192.0.2.7")[:240]
		m, err := dhcpmsg.ParseV4(append(b, options...))
		require.NoError(t, err)
		return m
	}
	require.Equal(t, dhcpmsg.Offer, message(0, 0, 53, 1, 2, 255).Type())
	require.Equal(t, dhcpmsg.Offer, message(12, 0, 53, 1, 2).Type(), "without an end")
	require.Zero(t, message().Type())
	require.Zero(t, message(53).Type())
	require.Zero(t, message(53, 1).Type())
	require.Zero(t, message(53, 0, 255).Type())
	require.Zero(t, message(255, 53, 1, 2).Type(), "behind the end")
	require.Zero(t, message(12, 200, 53, 1, 2).Type(), "length beyond the end")

	m := message(52, 1, 3, 53, 1, 5, 255)
	copy(m[108:], []byte{0, 12, 4, 'f', 'i', 'l', 'e', 255})
	copy(m[44:], []byte{54, 4, 192, 0, 2, 1, 255})
	name, ok := m.Option(dhcpmsg.OptionHostName)
	require.True(t, ok)
	require.Equal(t, "file", string(name))
	server, ok := m.Option(dhcpmsg.OptionServerID)
	require.True(t, ok)
	require.Equal(t, []byte{192, 0, 2, 1}, server)
	require.Equal(t, dhcpmsg.Ack, m.Type())
}

func TestV6(t *testing.T) {
	m, err := dhcpmsg.ParseV6([]byte{7, 1, 2, 3, 0, 1, 0, 2, 9, 9, 0, 2, 0, 3, 'd', 'u', 'i'})
	require.NoError(t, err)
	require.Equal(t, dhcpmsg.Reply, m.Type())
	id, ok := m.Option(dhcpmsg.OptionServerIDV6)
	require.True(t, ok)
	require.Equal(t, "dui", string(id))
	_, ok = m.Option(3)
	require.False(t, ok)

	_, err = dhcpmsg.ParseV6([]byte{1, 2, 3})
	require.ErrorIs(t, err, dhcpmsg.ErrTruncated)
	relay := make([]byte, 40)
	relay[0], relay[35] = byte(dhcpmsg.RelayForward), 2
	_, err = dhcpmsg.ParseV6(relay[:33])
	require.ErrorIs(t, err, dhcpmsg.ErrTruncated)
	m, err = dhcpmsg.ParseV6(relay)
	require.NoError(t, err)
	value, ok := m.Option(2)
	require.True(t, ok)
	require.Empty(t, value)
	m[37] = 200
	_, ok = m.Option(2)
	require.False(t, ok, "length beyond the end")
}

func TestAllocs(t *testing.T) {
	b := packettest.DHCP(dhcpmsg.Request, 1, "192.0.2.7", dhcpmsg.OptionHostName, "printer")
	require.Zero(t, testing.AllocsPerRun(100, func() {
		m, _ := dhcpmsg.ParseV4(b)
		_, _ = m.Option(dhcpmsg.OptionHostName)
	}))
}

func FuzzParse(f *testing.F) {
	f.Add(packettest.DHCP(dhcpmsg.Request, 1, "192.0.2.7", dhcpmsg.OptionHostName, "printer"))
	f.Add([]byte{7, 1, 2, 3, 0, 1, 0, 2, 9, 9, 0, 2, 0, 3, 'd', 'u', 'i'})
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := dhcpmsg.ParseV4(b); err == nil {
			for code := range 256 {
				v, ok := m.Option(uint8(code))
				require.LessOrEqual(t, len(v), 255)
				require.Equal(t, ok, v != nil)
			}
			require.LessOrEqual(t, len(m.HardwareAddr()), 16)
			m.Type()
			m.XID()
			require.True(t, m.YourAddr().Is4())
		}
		if m, err := dhcpmsg.ParseV6(b); err == nil {
			for code := range uint16(40) {
				v, _ := m.Option(code)
				require.LessOrEqual(t, len(v), len(b))
			}
			m.Type()
		}
	})
}

func ExampleParseV4() {
	m, err := dhcpmsg.ParseV4(packettest.DHCP(dhcpmsg.Ack, 7, "192.0.2.7", dhcpmsg.OptionHostName, "printer"))
	if err != nil {
		fmt.Println(err)
		return
	}
	name, _ := m.Option(dhcpmsg.OptionHostName)
	fmt.Println(m.Type() == dhcpmsg.Ack, m.YourAddr(), string(name))
	// Output: true 192.0.2.7 printer
}

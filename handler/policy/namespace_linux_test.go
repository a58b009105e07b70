package policy_test

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"visor/capture"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
	"visor/internal/netns"
	"visor/internal/packettest"
	"visor/internal/wait"
)

// TestInNamespace runs the tests in a separate network namespace.
func TestInNamespace(t *testing.T) {
	require.Contains(t, netns.Run(t), "--- PASS: TestNSVLANFilter")
}

// send puts frames on the wire.
func send(t *testing.T, frames ...[]byte) {
	iface, err := net.InterfaceByName(netns.Sender)
	require.NoError(t, err)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	require.NoError(t, unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: iface.Index}))
	for _, f := range frames {
		_, err := unix.Write(fd, f)
		require.NoError(t, err)
	}
}

// tagged returns a frame with VLAN tags, each a type and a number.
func tagged(f capture.Frame, tags ...uint16) []byte {
	var b []byte
	for _, tag := range tags {
		b = binary.BigEndian.AppendUint16(b, tag)
	}
	return slices.Insert(slices.Clone(f.Data), 12, b...)
}

// TestNSVLANFilter filters by tags during live capture, although the kernel removes the outer tag
// from the frame.
func TestNSVLANFilter(t *testing.T) {
	netns.Inside(t)
	netns.Pair(t)
	query := packettest.UDP(0, "192.0.2.1:5000", "192.0.2.53:53", packettest.Query(1, "www.example.com", 1))
	other := packettest.UDP(0, "192.0.2.1:5000", "192.0.2.53:99", nil)
	frames := [][]byte{
		query.Data, other.Data,
		tagged(query, 0x8100, 100), tagged(other, 0x8100, 100), tagged(query, 0x8100, 200),
		tagged(query, 0x88A8, 100, 0x8100, 200), tagged(query, 0x8100, 100, 0x8100, 200), tagged(query, 0x8100, 100, 0x8100, 201),
	}
	for expr, want := range map[string]uint64{
		"vlan": 6, "vlan 100": 5, "vlan 100 and port 53": 1, "vlan 100 and vlan 200 and port 53": 2, "port 53 and not vlan": 1,
		"port 53 or (vlan and (port 53 or (vlan and port 53)))": 6,
	} {
		m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog()})
		config := policy.Options{"iface": netns.Receiver}
		require.NoError(t, m.AddTap(policy.Tap{Name: "wired", InputType: "pcap", Config: config}))
		p := counting("a")
		p.Input.Filter = policy.Options{"bpf": expr}
		r, err := m.AddPolicy(p)
		require.NoError(t, err, expr)
		send(t, frames...)
		account := r.Parts[0].Account
		wait.Until(t, func() bool { return account().Offered >= uint64(len(frames)) }, func() string { return expr })
		require.Equal(t, want, account().Analysed, expr)
		require.NoError(t, m.Close())
	}
}

// TestNSInterfaceDown warns about an interface that is down. It is captured when it is up.
func TestNSInterfaceDown(t *testing.T) {
	netns.Inside(t)
	netns.Pair(t)
	netns.IP(t, "link", "set", netns.Receiver, "down")
	var log bytes.Buffer
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, m.AddTap(policy.Tap{Name: "wired", InputType: "pcap", Config: policy.Options{"iface": netns.Receiver}}))
	r, err := m.AddPolicy(counting("a"))
	require.NoError(t, err)
	netns.IP(t, "link", "set", netns.Receiver, "up")
	wait.Until(t, func() bool {
		send(t, packettest.UDP(0, "192.0.2.1:5000", "192.0.2.53:53", packettest.Query(1, "www.example.com", 1)).Data)
		return r.Parts[0].Account().Analysed > 0
	})
	require.NoError(t, m.Close())
	require.Equal(t, 1, strings.Count(log.String(), "interface "+netns.Receiver+" is down: it has no traffic until it is up"), log.String())
}

// TestNSInterfaceComesBack deletes an interface and recreates it. Its policy continues, with a
// counted gap.
func TestNSInterfaceComesBack(t *testing.T) {
	netns.Inside(t)
	netns.Pair(t)
	var log bytes.Buffer
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	config := policy.Options{"iface": netns.Receiver}
	require.NoError(t, m.AddTap(policy.Tap{Name: "wired", InputType: "pcap", Config: config}))
	r, err := m.AddPolicy(counting("a"))
	require.NoError(t, err)
	part := &r.Parts[0]
	query := packettest.UDP(0, "192.0.2.1:5000", "192.0.2.53:53", packettest.Query(1, "www.example.com", 1))
	send(t, query.Data)
	wait.Until(t, func() bool { return part.Account().Analysed >= 1 })
	require.NoError(t, m.Down())
	for i := range uint64(2) {
		netns.IP(t, "link", "del", netns.Receiver)
		wait.Until(t, func() bool { return m.Down() != nil })
		// the second is the text since a first retry
		require.Regexp(t, "is gone|Couldn't find interface", m.Down().Error())
		require.False(t, part.InputStatus().Running)
		netns.Pair(t)
		m.Retry()
		wait.Until(t, func() bool { return m.Down() == nil })
		require.True(t, part.InputStatus().Running)
		require.Equal(t, i+1, part.Outage().Gaps)
		require.NotZero(t, part.Outage().Down)
		before := part.Account().Analysed
		wait.Until(t, func() bool { // a new interface may drop its first frames
			send(t, query.Data)
			return part.Account().Analysed > before
		})
	}
	require.NoError(t, m.Close())
	require.Equal(t, []int{2, 2}, []int{strings.Count(log.String(), "input is down"), strings.Count(log.String(), "input is up again")}, log.String())
}

package dhcp_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode/dhcpmsg"
	"visor/handler"
	"visor/handler/dhcp"
	"visor/handler/handlertest"
	"visor/handler/metric"
	"visor/internal/packettest"
)

const (
	nobody, all    = "0.0.0.0:68", "255.255.255.255:67"
	server, client = "192.0.2.1:67", "192.0.2.7:68"
)

func TestConformance(t *testing.T) {
	var leases []capture.Frame
	for i := range 500 {
		leases = append(leases, lease(time.Duration(i)*10*time.Millisecond, uint32(i), fmt.Sprint("client-", i%50))...)
	}
	handlertest.Run(t, func(s handler.Settings) (handler.Handler, error) { return dhcp.New(dhcp.Config{Settings: s}) }, leases...)
}

func analyse(t *testing.T, cfg dhcp.Config, queues int, frames ...capture.Frame) (*dhcp.Metrics, handler.Account) {
	cfg.Periods = 1
	h, err := dhcp.New(cfg)
	require.NoError(t, err)
	p := handlertest.AnalyseBy(t, h, queues, capture.NewMemory(frames))
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	return dhcp.From(snap), p.HandlerAccounts()["dhcp"]
}

// names returns a list as text.
func names(top *metric.TopNames) []string {
	var out []string
	for _, e := range top.Top(10) {
		out = append(out, fmt.Sprint(e.Upper, " ", string(e.Key)))
	}
	return out
}

// lease is a client getting an address.
func lease(after time.Duration, xid uint32, name string) []capture.Frame {
	ms := func(n time.Duration) time.Duration { return after + n*time.Millisecond }
	return []capture.Frame{
		packettest.UDP(ms(0), nobody, all, packettest.DHCP(dhcpmsg.Discover, xid, "0.0.0.0")),
		packettest.UDP(ms(1), server, client, packettest.DHCP(dhcpmsg.Offer, xid, "192.0.2.7", dhcpmsg.OptionServerID, "\xc0\x00\x02\x01")),
		packettest.UDP(ms(2), nobody, all, packettest.DHCP(dhcpmsg.Request, xid, "0.0.0.0", dhcpmsg.OptionHostName, name)),
		packettest.UDP(ms(3), server, client, packettest.DHCP(dhcpmsg.Ack, xid, "192.0.2.7")),
	}
}

// TestLease lists client and server, regardless of the worker for each message.
func TestLease(t *testing.T) {
	for _, queues := range []int{1, 4} {
		m, account := analyse(t, dhcp.Config{}, queues, append(lease(0, 1, "printer"), lease(time.Second, 2, "printer")...)...)
		counts := []uint64{m.Events.Value(), m.Total.Value(), m.Discover.Value(), m.Offer.Value(), m.Request.Value(), m.Ack.Value()}
		require.Equal(t, []uint64{8, 8, 2, 2, 2, 2}, counts)
		require.Equal(t, []string{"2 02:00:00:00:00:01/printer/192.0.2.7"}, names(&m.TopClients))
		require.Equal(t, []string{"2 02:00:00:00:00:02/192.0.2.1"}, names(&m.TopServers))
		require.Equal(t, handler.Account{Offered: 8, Analysed: 8}, account)
	}
}

// TestNames shows invalid host names in readable form.
func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"": "Unknown", "laptop\x00": "laptop", "\x00": "Unknown", "a\nb\xff": "a?b?",
		"a-name-that-is-longer-than-a-label-of-a-domain-name-may-be-at-all-1": "a-name-that-is-longer-than-a-label-of-a-domain-name-may-be-at-a",
	} {
		m, _ := analyse(t, dhcp.Config{}, 1, lease(0, 1, name)...)
		require.Equal(t, []string{"1 02:00:00:00:00:01/" + want + "/192.0.2.7"}, names(&m.TopClients))
	}
}

// TestNoLease lists clients only if an ACK with an address answered their REQUEST in time.
func TestNoLease(t *testing.T) {
	request := packettest.UDP(0, nobody, all, packettest.DHCP(dhcpmsg.Request, 1, "0.0.0.0"))
	ack := func(after time.Duration, xid uint32, addr string) capture.Frame {
		return packettest.UDP(after, server, client, packettest.DHCP(dhcpmsg.Ack, xid, addr))
	}
	for what, frames := range map[string][]capture.Frame{
		"other transaction": {request, ack(time.Second, 2, "192.0.2.7")},
		"late":              {request, ack(6*time.Second, 1, "192.0.2.7")},
		"no address":        {request, ack(time.Second, 1, "0.0.0.0")},
		"no request":        {ack(0, 1, "192.0.2.7")},
		"cut":               {request, packettest.UDP(time.Second, server, client, packettest.DHCP(dhcpmsg.Ack, 1, "192.0.2.7")[:100])},
	} {
		m, account := analyse(t, dhcp.Config{}, 1, frames...)
		require.Empty(t, names(&m.TopClients), what)
		require.EqualValues(t, len(frames), m.Events.Value(), what)
		require.EqualValues(t, len(frames), account.Analysed+account.Undecodable, what)
	}
	m, _ := analyse(t, dhcp.Config{Timeout: time.Minute}, 1, request, ack(6*time.Second, 1, "192.0.2.7"))
	require.Len(t, names(&m.TopClients), 1, "a longer timeout")
}

// TestV6 counts messages for IPv6. The total includes them, unlike pktvisor's.
func TestV6(t *testing.T) {
	message := func(typ dhcpmsg.TypeV6, options ...byte) []byte {
		return append([]byte{byte(typ), 0, 0, 1}, options...)
	}
	serverID := []byte{0, 2, 0, 1, 9}
	const client, relay, server = "[fe80::1]:546", "[ff02::1:2]:547", "[fe80::2]:547"
	m, account := analyse(t, dhcp.Config{}, 1,
		packettest.UDP(0, client, relay, message(dhcpmsg.Solicit)),
		packettest.UDP(1, server, client, message(dhcpmsg.Advertise, serverID...)),
		packettest.UDP(2, client, relay, message(dhcpmsg.RequestV6, serverID...)),
		packettest.UDP(3, server, client, message(dhcpmsg.Reply, serverID...)),
		packettest.UDP(4, server, client, message(dhcpmsg.Reply)),
		packettest.UDP(5, client, relay, message(dhcpmsg.Renew)),
		packettest.UDP(6, client, relay, []byte{1}))
	counts := []uint64{m.Events.Value(), m.Total.Value(), m.Solicit.Value(), m.Advertise.Value(), m.RequestV6.Value(), m.Reply.Value()}
	require.Equal(t, []uint64{7, 7, 1, 1, 1, 2}, counts)
	require.Equal(t, []string{"2 02:00:00:00:00:02/fe80::2"}, names(&m.TopServers))
	require.Equal(t, handler.Account{Offered: 7, Analysed: 6, Undecodable: 1}, account)
}

// TestRelayed counts forwarded messages of relay agents by their own type.
func TestRelayed(t *testing.T) {
	relayed := func(typ dhcpmsg.TypeV6, inner []byte) []byte {
		b := append([]byte{byte(typ)}, make([]byte, 33)...)
		return append(append(b, 0, 9, 0, byte(len(inner))), inner...)
	}
	solicit, reply := []byte{byte(dhcpmsg.Solicit), 0, 0, 1}, []byte{byte(dhcpmsg.Reply), 0, 0, 1, 0, 2, 0, 1, 9}
	deep := solicit
	for range 9 {
		deep = relayed(dhcpmsg.RelayForward, deep)
	}
	const relay, server = "[2001:db8::1]:547", "[2001:db8::2]:547"
	m, account := analyse(t, dhcp.Config{}, 1,
		packettest.UDP(0, relay, server, relayed(dhcpmsg.RelayForward, solicit)),
		packettest.UDP(1, relay, server, relayed(dhcpmsg.RelayForward, relayed(dhcpmsg.RelayForward, solicit))),
		packettest.UDP(2, server, relay, relayed(dhcpmsg.RelayReply, reply)),
		packettest.UDP(3, relay, server, relayed(dhcpmsg.RelayForward, solicit[:3])),
		packettest.UDP(4, relay, server, deep))
	counts := []uint64{m.Events.Value(), m.Total.Value(), m.Solicit.Value(), m.Reply.Value()}
	require.Equal(t, []uint64{5, 5, 2, 1}, counts)
	require.Equal(t, []string{"1 02:00:00:00:00:02/2001:db8::2"}, names(&m.TopServers))
	require.Equal(t, handler.Account{Offered: 5, Analysed: 3, Undecodable: 2}, account)
}

func TestConfig(t *testing.T) {
	_, err := dhcp.New(dhcp.Config{Timeout: -1})
	require.ErrorContains(t, err, "Timeout -1ns must not be negative")
	_, err = dhcp.New(dhcp.Config{Settings: handler.Settings{Enable: []string{"no such group"}}})
	require.NoError(t, err, "there are no groups to be wrong about")
}

func Example() {
	h, err := dhcp.New(dhcp.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	t := &testing.T{} // a host creates and runs the pipeline itself, as package visor shows
	snap, err := handlertest.Analyse(t, h, capture.NewMemory(lease(0, 1, "printer"))).Bucket(0)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, client := range dhcp.From(snap).TopClients.Top(10) {
		fmt.Println(string(client.Key))
	}
	// Output: 02:00:00:00:00:01/printer/192.0.2.7
}

package handler_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/network"
	"visor/internal/packettest"
)

// owned is a source with an address of this host.
type owned struct {
	capture.Source
	own decode.NetSet
}

func (s *owned) Own() *decode.NetSet { return &s.own }

// TestFramesSayDirections checks the order of precedence. Frames may carry a direction. Otherwise
// the source's own addresses determine it. Configured networks override both.
func TestFramesSayDirections(t *testing.T) {
	frame := func(dir decode.Direction, from, to string) capture.Frame {
		f := packettest.UDP(0, from+":1", to+":2", nil)
		f.Dir = dir
		return f
	}
	frames := []capture.Frame{
		frame(decode.ToHost, "198.51.100.1", "198.51.100.2"),
		frame(decode.FromHost, "198.51.100.1", "198.51.100.2"),
		frame(decode.Unknown, "198.51.100.1", "192.0.2.1"),
		frame(decode.Unknown, "198.51.100.1", "198.51.100.2"),
	}
	keep := func(*capture.Frame) (bool, error) { return true, nil }
	for hosts, want := range map[string][]uint64{"": {2, 1, 1}, "198.51.100.1/32": {0, 4, 0}} {
		nets, err := decode.ParseNetSet(hosts)
		require.NoError(t, err)
		h, err := network.New(network.Config{Settings: handler.Settings{Periods: 1}})
		require.NoError(t, err)
		src := &owned{capture.NewMemory(frames), decode.NewNetSet(netip.MustParsePrefix("192.0.2.1/32"))}
		queues := capture.Fanout(capture.Filter(src, keep), capture.FanoutConfig{Queues: 2})
		p, err := handler.NewPipeline(handler.Config{Sources: queues, Handlers: []handler.Handler{h}, Hosts: nets})
		require.NoError(t, err)
		require.NotNil(t, p.Hosts())
		require.NoError(t, p.Run(t.Context()))
		snap, err := p.Bucket(0)
		require.NoError(t, err)
		m := network.From(snap)
		require.Equal(t, want, []uint64{m.In.Value(), m.Out.Value(), m.Unknown.Value()}, hosts)
	}
}

// TestNoHosts runs a source that has no own addresses, and one that has not learned them yet.
func TestNoHosts(t *testing.T) {
	frames := []capture.Frame{packettest.UDP(0, "198.51.100.1:1", "192.0.2.1:2", nil)}
	for name, src := range map[string]capture.Source{
		"none": capture.NewMemory(frames), "unknown": &owned{Source: capture.NewMemory(frames)},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := network.New(network.Config{})
			require.NoError(t, err)
			p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{src}, Handlers: []handler.Handler{h}})
			require.NoError(t, err)
			require.Nil(t, p.Hosts())
			require.NoError(t, p.Run(t.Context()))
			snap, err := p.Bucket(0)
			require.NoError(t, err)
			require.EqualValues(t, 1, network.From(snap).Unknown.Value())
		})
	}
}

// TestOtherDirections runs a source whose frames have a direction that does not exist. They count
// as unknown.
func TestOtherDirections(t *testing.T) {
	for _, dir := range []decode.Direction{3, 4, 255} {
		query := packettest.Query(7, "example.org", 1)
		frames := []capture.Frame{
			packettest.UDP(0, "198.51.100.1:4000", "192.0.2.1:53", query),
			packettest.UDP(time.Millisecond, "192.0.2.1:53", "198.51.100.1:4000", packettest.Reply(query, 0, 1)),
			packettest.UDP(time.Second, "198.51.100.1:4000", "192.0.2.1:53", packettest.Query(8, "example.org", 1)),
			// ends the wait for a reply
			packettest.UDP(time.Minute, "198.51.100.1:4000", "192.0.2.1:4000", nil),
		}
		for i := range frames {
			frames[i].Dir = dir
		}
		total, err := network.New(network.Config{})
		require.NoError(t, err)
		byDirection, err := network.NewByDirection(network.Config{Settings: handler.Settings{Name: "net2"}})
		require.NoError(t, err)
		messages, err := dns.New(dns.Config{})
		require.NoError(t, err)
		transactions, err := dns.NewTransactions(dns.Config{Settings: handler.Settings{Name: "dns2"}})
		require.NoError(t, err)
		p, err := handler.NewPipeline(handler.Config{
			Sources:  []capture.Source{capture.NewMemory(frames)},
			Handlers: []handler.Handler{total, byDirection, messages, transactions},
		})
		require.NoError(t, err)
		require.NoError(t, p.Run(t.Context()))
		snap, err := p.Window(2)
		require.NoError(t, err)

		m := network.From(snap)
		require.Equal(t, []uint64{0, 0, 4}, []uint64{m.In.Value(), m.Out.Value(), m.Unknown.Value()})
		require.EqualValues(t, 4, network.FromByDirection(snap).Directions.Find("unknown").IPv4.Value())
		require.EqualValues(t, 3, dns.From(snap).IPv4.Value())
		unknown := dns.FromTransactions(snap).Directions.Find("unknown")
		require.EqualValues(t, 1, unknown.Trans.Value())
		require.EqualValues(t, 1, unknown.TimedOut.Value())
	}
}

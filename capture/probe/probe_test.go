package probe_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/probe"
	"visor/decode/probemsg"
)

// reader returns events one by one.
type reader struct {
	src     capture.Source
	batch   capture.Batch
	waiting []capture.Frame
}

// next returns the next event as text, and its time.
func (r *reader) next(t testing.TB) (string, int64) {
	if len(r.waiting) == 0 {
		require.NoError(t, r.src.ReadBatch(&r.batch))
		r.waiting = r.batch.Frames
	}
	f := r.waiting[0]
	r.waiting = r.waiting[1:]
	e, err := probemsg.Parse(f.Data)
	require.NoError(t, err)
	names := map[probemsg.Kind]string{
		probemsg.Sent: "sent", probemsg.Received: "received", probemsg.TimedOut: "timed out", probemsg.LookupFailed: "lookup failed",
		probemsg.ConnectFailed: "connect failed", probemsg.SocketFailed: "socket failed", probemsg.BadAddress: "bad address",
	}
	return fmt.Sprintf("%s %s", e.Target, names[e.Kind]), f.TimeNS
}

func TestConnect(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	port := netip.MustParseAddrPort(l.Addr().String()).Port()
	src, err := probe.New(probe.Config{Test: probe.Connect, Interval: 20 * time.Millisecond, Timeout: 20 * time.Millisecond, PacketInterval: 1, Targets: []probe.Target{{Name: "me", Host: "localhost", Port: port, Version: 4}}})
	require.NoError(t, err)
	defer src.Close()
	r := &reader{src: src}
	for range 3 {
		event, sent := r.next(t)
		require.Equal(t, "me sent", event)
		event, received := r.next(t)
		require.Equal(t, "me received", event)
		require.Greater(t, received, sent)
	}
	l.Close()
	seen := map[string]bool{}
	for !seen["me connect failed"] {
		event, _ := r.next(t)
		seen[event] = true
	}
}

func TestLookupFails(t *testing.T) {
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		return nil, errors.New("no network")
	}}
	src, err := probe.New(probe.Config{Test: probe.Connect, Resolver: resolver, Targets: []probe.Target{{Name: "nowhere", Host: "nowhere.example", Port: 1}}})
	require.NoError(t, err)
	defer src.Close()
	event, _ := (&reader{src: src}).next(t)
	require.Equal(t, "nowhere lookup failed", event)
}

func TestClose(t *testing.T) {
	src, err := probe.New(probe.Config{Test: probe.Connect, Targets: []probe.Target{{Name: "a", Host: "127.0.0.1", Port: 1}}})
	require.NoError(t, err)
	require.NoError(t, src.Close())
	var b capture.Batch
	for err = nil; err == nil; {
		err = src.ReadBatch(&b) // pending events may come first
	}
	require.ErrorIs(t, err, capture.ErrClosed)
	require.NoError(t, src.Close())
}

func TestConfigErrors(t *testing.T) {
	ok := probe.Target{Name: "a", Host: "127.0.0.1", Port: 1}
	for want, cfg := range map[string]probe.Config{
		"Targets must not be empty":                      {},
		"Timeout 5s is longer than Interval 2s":          {Interval: 2 * time.Second, Timeout: 5 * time.Second, Targets: []probe.Target{ok}},
		"Timeout must not be negative":                   {Timeout: -1, Targets: []probe.Target{ok}},
		"Packets must not be negative":                   {Packets: -1, Targets: []probe.Target{ok}},
		"25 Packets at every 100ms":                      {Interval: 2 * time.Second, Packets: 25, PacketInterval: 100 * time.Millisecond, Targets: []probe.Target{ok}},
		"Payload 70000 is above":                         {Payload: 70000, Targets: []probe.Target{ok}},
		"Host is not set":                                {Targets: []probe.Target{{Name: "a"}}},
		"Port is not set":                                {Test: probe.Connect, Targets: []probe.Target{{Name: "a", Host: "127.0.0.1"}}},
		"Version must be 4 or 6":                         {Targets: []probe.Target{{Name: "a", Host: "localhost", Version: 5}}},
		"1.2.3.4 is not an address of IP version 6":      {Targets: []probe.Target{{Name: "a", Host: "1.2.3.4", Version: 6}}},
		"::1 is not an address of IP version 4":          {Targets: []probe.Target{{Name: "a", Host: "::1", Version: 4}}},
		`"host" is neither an address nor a name`:        {Targets: []probe.Target{{Name: "a", Host: "host"}}},
		"must not be negative":                           {Interval: -1, Targets: []probe.Target{ok}},
		"Host is not a URL":                              {Test: probe.HTTP, Targets: []probe.Target{ok}},
		"neither GET nor POST":                           {Test: probe.DoH, Request: probe.Request{Method: "PUT"}, Targets: []probe.Target{ok}},
		"the name of the Query is empty":                 {Test: probe.DNS, Targets: []probe.Target{ok}},
		"a label of the Query's name is empty or longer": {Test: probe.DNS, Query: probe.Query{Name: "a..b"}, Targets: []probe.Target{ok}},
	} {
		_, err := probe.New(cfg)
		require.ErrorContains(t, err, want)
	}
}

func Example() {
	src, err := probe.New(probe.Config{Test: probe.Connect, Targets: []probe.Target{{Name: "nobody", Host: "127.0.0.1", Port: 1}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer src.Close()
	var b capture.Batch
	if err := src.ReadBatch(&b); err != nil {
		fmt.Println(err)
		return
	}
	e, err := probemsg.Parse(b.Frames[0].Data)
	fmt.Println(e.Kind == probemsg.Sent, string(e.Target), err)
	// Output: true nobody <nil>
}

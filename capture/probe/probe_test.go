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

// reader gives events one by one.
type reader struct {
	src     capture.Source
	batch   capture.Batch
	waiting []capture.Frame
}

// next returns the next event as text, and when it was.
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
		err = src.ReadBatch(&b) // events that wait may come first
	}
	require.ErrorIs(t, err, capture.ErrClosed)
	require.NoError(t, src.Close())
}

func TestConfigErrors(t *testing.T) {
	ok := probe.Target{Name: "a", Host: "127.0.0.1", Port: 1}
	for want, cfg := range map[string]probe.Config{
		"no targets specified": {},
		"timeout_msec [5000] cannot be greater than interval_msec [2000]": {Interval: 2 * time.Second, Timeout: 5 * time.Second, Targets: []probe.Target{ok}},
		"packets_per_test needs to be greater than 0":                     {Packets: -1, Targets: []probe.Target{ok}},
		"packets_per_test [25] times packets_interval_msec [100]":         {Interval: 2 * time.Second, Packets: 25, PacketInterval: 100 * time.Millisecond, Targets: []probe.Target{ok}},
		"packet_payload_size was set to 70000 but":                        {Payload: 70000, Targets: []probe.Target{ok}},
		"'a' does not have key 'target'":                                  {Targets: []probe.Target{{Name: "a"}}},
		"'a' does not have key 'port'":                                    {Test: probe.Connect, Targets: []probe.Target{{Name: "a", Host: "127.0.0.1"}}},
		"ip_version must be 4 or 6":                                       {Targets: []probe.Target{{Name: "a", Host: "localhost", Version: 5}}},
		"target 1.2.3.4 is IPv4 but ip_version is set to 6":               {Targets: []probe.Target{{Name: "a", Host: "1.2.3.4", Version: 6}}},
		"target ::1 is IPv6 but ip_version is set to 4":                   {Targets: []probe.Target{{Name: "a", Host: "::1", Version: 4}}},
		"host is an invalid/unsupported DNS":                              {Targets: []probe.Target{{Name: "a", Host: "host"}}},
		"must not be negative":                                            {Interval: -1, Targets: []probe.Target{ok}},
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

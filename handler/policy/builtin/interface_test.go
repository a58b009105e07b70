package builtin

import (
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/handler/options"
	"visor/handler/policy"
)

// The error about an invalid name lists the valid ones and the nearest of them.
func TestUnknownInterface(t *testing.T) {
	names := []string{"lo", "eth0", "wlan0"}
	err := unknownInterface("ethO", names)
	require.EqualError(t, err, `Couldn't find interface by provided name: "ethO". Available interfaces: lo,eth0,wlan0`)
	var problem *options.Problem
	require.ErrorAs(t, err, &problem)
	require.Equal(t, names, problem.Known)
	_, err = Catalog().Open(policy.InputEnv{}, "pcap", policy.Options{"iface": "nosuch0"}, nil)
	require.ErrorContains(t, err, `Couldn't find interface by provided name: "nosuch0". Available interfaces: `)
	all, err := net.Interfaces()
	require.NoError(t, err)
	for _, i := range all {
		require.NoError(t, checkInterface(i.Name))
	}
	require.NoError(t, checkInterface("auto"))
	require.ErrorContains(t, checkInterface("any"), "'any' does not exist here: make a tap for each interface")
	require.NoError(t, checkInterface("192.0.2.1"), "capture looks for addresses")
}

// Where live capture is impossible, the error names an alternative.
func TestNoCapture(t *testing.T) {
	err := explained(fmt.Errorf("afpacket: live capture on windows: %w", errors.ErrUnsupported))
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorContains(t, err, "it needs Linux. Capture files (pcap_file), dnstap over TCP, flow collectors and the interface 'mock' work here")
	require.NoError(t, explained(nil))
}

// pcap_source: mock is generated traffic, regardless of the interface.
func TestMockSource(t *testing.T) {
	for _, config := range []policy.Options{{"pcap_source": "mock"}, {"iface": "mock", "pcap_source": "mock"}} {
		o, err := Catalog().Open(policy.InputEnv{}, "pcap", config, nil)
		require.NoError(t, err)
		require.Equal(t, "mock", o.Facts["pcap_source"])
		require.False(t, o.Hosts.Empty(), "its servers are at home")
		require.NoError(t, o.Sources[0].Close())
	}
	_, err := Catalog().Open(policy.InputEnv{}, "pcap", policy.Options{"iface": "mock"}, nil)
	require.ErrorContains(t, err, "mock", "there may be such an interface")
}

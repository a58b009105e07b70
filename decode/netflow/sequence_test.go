package netflow_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode"
	"visor/decode/netflow"
	"visor/internal/packettest"
)

// TestSequence9 feeds datagrams of NetFlow 9, each with a sequence number and a number of records.
func TestSequence9(t *testing.T) {
	type datagram struct{ number, records uint32 }
	for _, tt := range []struct {
		name             string
		in               []datagram
		datagrams, flows uint32
	}{
		{"datagrams", []datagram{{7, 30}, {8, 30}, {9, 1}, {10, 30}}, 0, 0},
		{"lost datagrams", []datagram{{7, 30}, {8, 30}, {12, 30}}, 3, 0},
		{"flows", []datagram{{0, 30}, {30, 30}, {60, 7}, {67, 30}, {97, 1}, {98, 30}}, 0, 0},
		{"lost flows", []datagram{{0, 30}, {30, 30}, {120, 30}, {150, 30}}, 0, 60},
		{"flows of two records each", []datagram{{0, 30}, {15, 24}, {29, 30}, {44, 30}}, 0, 0},
		{"flows, and templates without any", []datagram{{0, 30}, {30, 0}, {30, 30}, {60, 30}}, 0, 0},
		{"a loss as wide as the records", []datagram{{7, 30}, {8, 30}, {9, 30}, {39, 30}, {40, 30}}, 29, 0},
		{"it starts again", []datagram{{700, 30}, {701, 30}, {0, 30}, {1, 30}}, 0, 0},
		{"flows, started again", []datagram{{0, 30}, {30, 30}, {0, 30}, {30, 30}}, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := netflow.New(netflow.Config{})
			var e decode.FlowDatagram
			d.Decode(0, router, packettest.NetFlow9(1, tt.in[0].number, packettest.Set(0, template(256, field(2, 4))...), records(tt.in[0].records)), &e)
			datagrams, flows := uint32(0), uint32(0)
			for _, in := range tt.in[1:] {
				d.Decode(0, router, packettest.NetFlow9(1, in.number, records(in.records)), &e)
				datagrams += e.LostDatagrams
				flows += e.LostFlows
			}
			require.Equal(t, []uint32{tt.datagrams, tt.flows}, []uint32{datagrams, flows})
		})
	}
}

// records is a data set of n records.
func records(n uint32) []byte {
	if n == 0 {
		return nil
	}
	return packettest.Set(256, make([]uint32, n))
}

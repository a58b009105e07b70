package flow_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/handler"
	"visor/handler/flow"
	"visor/handler/handlertest"
	"visor/internal/packettest"
	"visor/internal/racetest"
)

// Whatever a handler can hold travels: the bytes of many devices and interfaces are read within the
// memory that a reader allows for one snapshot.
func TestManyInterfacesTravel(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out routers with many interfaces")
	}
	devices, ports := 100, 30
	var frames []capture.Frame
	for d := range devices {
		var flows []decode.Flow
		for port := range ports {
			for k := range 4 {
				f := record(fmt.Sprintf("198.51.%d.%d", d%250, port), fmt.Sprintf("203.0.113.%d", k), uint16(1000+d+k), 443, 6, uint64(1000+port))
				f.Input, f.Output = uint32(port), uint32((port+1)%ports)
				flows = append(flows, f)
			}
		}
		for len(flows) > 0 {
			n := min(len(flows), 30)
			frames = append(frames, sent(0, fmt.Sprintf("10.0.%d.%d", d/250, d%250+1), packettest.NetFlow5(0, 0, flows[:n]...)))
			flows = flows[n:]
		}
	}
	h, err := flow.New(flow.Config{Settings: handler.Settings{Periods: 1, Enable: []string{"all"}}, MaxBytes: 8 << 30, Interfaces: 16_384})
	require.NoError(t, err)
	snap, err := handlertest.Analyse(t, h, capture.NewMemory(frames)).Bucket(0)
	require.NoError(t, err)
	interfaces := 0
	for _, d := range flow.From(snap).Devices.All() {
		interfaces += d.Interfaces.Len()
	}
	require.Greater(t, interfaces, devices*(ports-1))
	data, err := snap.AppendBinary(nil, handler.Origin{}, handler.DefaultEntries)
	require.NoError(t, err)
	t.Logf("%d interfaces: %d bytes", interfaces, len(data))
	read, err := handler.ReadSnapshot(data)
	require.NoError(t, err)
	require.Len(t, read.Modules[0].Values(), len(snap.Modules[0].Values()))
	sum, err := handler.Merge(read, read)
	require.NoError(t, err)
	require.NotEmpty(t, sum.Modules[0].Values())
}

package pcap_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/handler"
	"visor/handler/pcap"
	"visor/internal/packettest"
)

// lossy is a source that has lost frames.
type lossy struct{ *capture.Memory }

func (lossy) Drops() uint64 { return 3 }

func TestLosses(t *testing.T) {
	const client, server = "198.51.100.9:5000", "192.0.2.1:53"
	frames := []capture.Frame{
		packettest.TCP(0, client, server, decode.FlagSYN, 99, 0, nil),
		packettest.TCP(0, client, server, decode.FlagACK, 0x8000_0000, 0, []byte("far away")),
	}
	h, err := pcap.New(pcap.Config{Settings: handler.Settings{Enable: []string{"no such group"}}})
	require.NoError(t, err, "there are no groups to be wrong about")
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{lossy{capture.NewMemory(frames)}}, Handlers: []handler.Handler{h}})
	require.NoError(t, err)
	require.NoError(t, p.Run(context.Background()))
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	m := pcap.From(snap)
	require.Equal(t, []uint64{1, 3, 0}, []uint64{m.ReassemblyErrors.Value(), m.KernelDrops.Value(), m.InterfaceDrops.Value()})
}

func Example() {
	h, err := pcap.New(pcap.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	frame := packettest.UDP(0, "198.51.100.9:5000", "192.0.2.1:53", nil)
	src := lossy{capture.NewMemory([]capture.Frame{frame})} // in real life a live source
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{src}, Handlers: []handler.Handler{h}})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	snap, err := p.Bucket(0)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(pcap.From(snap).KernelDrops.Value())
	// Output: 3
}

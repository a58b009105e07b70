package handler_test

import (
	"context"
	"encoding/hex"
	"fmt"

	"visor/capture"
	"visor/decode"
	"visor/handler"
	"visor/sketch"
)

// arpMetrics are what the analyzer counts.
type arpMetrics struct {
	Frames sketch.Counter `metric:"frames" help:"ARP frames"`
}

// arpHandler counts ARP. Declared has its Info.
type arpHandler struct {
	handler.Declared[arpMetrics]
}

func newARP(s handler.Settings) (*arpHandler, error) {
	d, err := handler.Declare[arpMetrics](handler.Spec{Type: "arp"}, s)
	return &arpHandler{d}, err
}

// NewShard returns the part that one worker owns.
func (h *arpHandler) NewShard() handler.Shard { return &arpShard{h.NewBase()} }

type arpShard struct {
	handler.Base[arpMetrics]
}

// Process counts a batch. Events that pass are deep samples unless a Sampler rejects them.
func (s *arpShard) Process(b *handler.Batch) {
	for i := range b.Packets {
		if b.Packets[i].Layers.Has(decode.LayerARP) {
			s.Events.Offered++
			s.Events.Deep++
			s.Live.Frames.Add(1)
		}
	}
}

// ExampleDeclare is a complete analyzer.
func ExampleDeclare() {
	h, err := newARP(handler.Settings{})
	if err != nil {
		fmt.Println(err)
		return
	}
	request, err := hex.DecodeString("ffffffffffff0200000000010806" + "0001080006040001020000000001c0000201000000000000c0000202")
	if err != nil {
		fmt.Println(err)
		return
	}
	frames := []capture.Frame{
		{TimeNS: 1e18, Data: request, WireLen: uint32(len(request)), Link: decode.LinkEthernet},
	}
	p, err := handler.NewPipeline(handler.Config{
		Sources: []capture.Source{capture.NewMemory(frames)}, Handlers: []handler.Handler{h},
	})
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
	fmt.Println(handler.Find[arpMetrics](snap).Frames.Value(), "ARP frames")
	// Output: 1 ARP frames
}

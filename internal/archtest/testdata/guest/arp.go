package main

import (
	"visor/decode"
	"visor/handler"
	"visor/sketch"
)

// ARPMetrics are what ARP counts.
type ARPMetrics struct {
	Frames  sketch.Counter     `metric:"frames" help:"ARP frames"`
	Senders sketch.Cardinality `metric:"senders" help:"distinct hardware addresses"`
}

// ARP counts ARP frames and their senders.
type ARP struct{ handler.Declared[ARPMetrics] }

// NewARP returns an ARP.
func NewARP(s handler.Settings) (*ARP, error) {
	d, err := handler.Declare[ARPMetrics](handler.Spec{Type: "arp"}, s)
	return &ARP{d}, err
}

// NewShard returns the part that one worker owns.
func (h *ARP) NewShard() handler.Shard { return &arp{h.NewBase()} }

type arp struct{ handler.Base[ARPMetrics] }

func (s *arp) Process(b *handler.Batch) {
	for i := range b.Packets {
		if p := &b.Packets[i]; p.Layers.Has(decode.LayerARP) && len(p.Frame) >= 12 {
			s.Events.Offered, s.Events.Deep = s.Events.Offered+1, s.Events.Deep+1
			s.Live.Frames.Add(1)
			s.Live.Senders.Add(s.Hash.Sum(p.Frame[6:12]))
		}
	}
}

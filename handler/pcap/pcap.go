// Package pcap counts what capturing lost: the YAML module "pcap".
//
//	h, err := pcap.New(pcap.Config{})
//	...
//	fmt.Println(pcap.From(snapshot).KernelDrops.Value())
package pcap

import (
	"visor/handler"
	"visor/sketch"
)

// Metrics is what a Handler counts.
type Metrics struct {
	ReassemblyErrors sketch.Counter `metric:"tcp_reassembly_errors" help:"TCP segments whose sequence numbers fit no stream"`
	KernelDrops      sketch.Counter `metric:"os_drops" help:"packets dropped by the operating system"`
	InterfaceDrops   sketch.Counter `metric:"if_drops" help:"packets dropped by the interface"`
}

// Config configures a Handler. The zero Config is ready to use; there are no metric groups.
type Config struct {
	handler.Settings

	_ struct{} `policy:"recorded_stream" help:"has no effect: the pipeline detects recordings"`
}

// Handler is the capture-loss analyzer.
type Handler struct{ handler.Declared[Metrics] }

var _ handler.Handler = (*Handler)(nil)

// New returns a Handler, or what is wrong with cfg.
func New(cfg Config) (*Handler, error) {
	d, err := handler.Declare[Metrics](handler.Spec{Type: "pcap"}, cfg.Settings)
	if err != nil {
		return nil, err
	}
	return &Handler{d}, nil
}

// From returns what the pcap handler of s counted, or nil if s has none.
func From(s *handler.Snapshot) *Metrics { return handler.Find[Metrics](s) }

// NewShard returns the part of h that one worker owns.
func (h *Handler) NewShard() handler.Shard { return &shard{h.NewBase()} }

type shard struct {
	handler.Base[Metrics]
}

// Process counts the batch's losses. Its packets are events that need no analysis.
func (s *shard) Process(b *handler.Batch) {
	s.StartPass()
	n := uint64(len(b.Packets))
	s.Tally.Offered += n
	s.Tally.Analysed += n
	s.Live.ReassemblyErrors.Add(b.Losses.Reassembly)
	s.Live.KernelDrops.Add(b.Losses.Kernel)
	s.Live.InterfaceDrops.Add(b.Losses.Interface)
}

// Package pcap counts capture losses: the YAML module "pcap".
//
//	h, err := pcap.New(pcap.Config{})
//	...
//	fmt.Println(pcap.From(snapshot).KernelDrops.Value())
package pcap

import (
	"visor/handler"
	"visor/sketch"
)

// Metrics holds the counts of a Handler.
type Metrics struct {
	ReassemblyErrors sketch.Counter `metric:"tcp_reassembly_errors" help:"TCP segments whose sequence numbers fit no stream"`
	KernelDrops      sketch.Counter `metric:"os_drops" help:"packets dropped by the operating system"`
	InterfaceDrops   sketch.Counter `metric:"if_drops" help:"packets dropped by the interface"`
}

// Config configures a Handler. The zero Config is ready to use. The handler does not have metric
// groups.
type Config struct {
	handler.Settings

	_ struct{} `policy:"recorded_stream" help:"has no effect: the pipeline detects recordings"`
}

// Handler is the capture-loss analyzer.
type Handler struct{ handler.Declared[Metrics] }

var _ handler.Handler = (*Handler)(nil)

// New returns a Handler, or an error listing all problems in cfg.
func New(cfg Config) (*Handler, error) {
	d, err := handler.Declare[Metrics](handler.Spec{Type: "pcap"}, cfg.Settings)
	if err != nil {
		return nil, err
	}
	return &Handler{d}, nil
}

// From returns the metrics of the pcap handler in s, or nil without one.
func From(s *handler.Snapshot) *Metrics { return handler.Find[Metrics](s) }

// NewShard returns the part of h for one worker.
func (h *Handler) NewShard() handler.Shard { return &shard{h.NewBase()} }

type shard struct {
	handler.Base[Metrics]
}

// Process counts the batch's losses. Its packets are events without analysis.
func (s *shard) Process(b *handler.Batch) {
	n := uint64(len(b.Packets))
	s.Events.Offered += n
	s.Events.Deep += n
	s.Live.ReassemblyErrors.Add(b.Losses.Reassembly)
	s.Live.KernelDrops.Add(b.Losses.Kernel)
	s.Live.InterfaceDrops.Add(b.Losses.Interface)
}

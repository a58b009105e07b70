// Package pcap counts what capturing lost: the YAML module "pcap".
//
//	h, err := pcap.New(pcap.Config{})
//	...
//	fmt.Println(pcap.From(snapshot).KernelDrops.Value())
package pcap

import (
	"visor/handler"
	"visor/handler/metric"
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
}

// Handler is the capture-loss analyzer.
type Handler struct {
	cfg    Config
	info   handler.Info
	schema *metric.Schema[Metrics]
}

var _ handler.Handler = (*Handler)(nil)

// New returns a Handler, or what is wrong with cfg.
func New(cfg Config) (*Handler, error) {
	cfg.Settings = cfg.WithDefaults("pcap")
	info, schema, err := handler.Declare[Metrics](cfg.Settings, "pcap", "1.0", "pcap", nil, 0)
	if err != nil {
		return nil, err
	}
	return &Handler{cfg: cfg, info: info, schema: schema}, nil
}

// From returns what the pcap handler of s counted, or nil if s has none.
func From(s *handler.Snapshot) *Metrics { return handler.Find[Metrics](s) }

// Info tells what h is.
func (h *Handler) Info() handler.Info { return h.info }

// NewShard returns the part of h that one worker owns.
func (h *Handler) NewShard() handler.Shard {
	return &shard{Base: handler.NewBase(h.schema, h.info, h.cfg.DeepSample)}
}

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

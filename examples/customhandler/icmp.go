package main

import (
	"visor/decode"
	"visor/handler"
	"visor/handler/metric"
	"visor/sketch"
)

// Metrics are what the analyzer counts. JSON, Prometheus, OTLP and the schema follow from the tags.
type Metrics struct {
	Messages sketch.Counter     `metric:"messages" help:"ICMP messages"`
	Senders  sketch.Cardinality `metric:"senders" help:"distinct senders of ICMP messages"`
	Types    metric.TopNames    `metric:"top_types" label:"icmp_type" help:"ICMP messages by type"`
	Lost     metric.TopNames    `metric:"top_unreachable" label:"target" help:"destinations that were reported as unreachable"`
}

// Config configures a Handler. The tags declare the keys of the YAML module.
type Config struct {
	handler.Settings

	OnlyErrors bool `policy:"only_errors" help:"ignores echo requests and replies"`
}

// Handler analyses ICMP (RFC 792) and ICMPv6 (RFC 4443).
type Handler struct {
	handler.Declared[Metrics]
	cfg Config
}

// New returns a Handler, or an error for invalid settings.
func New(cfg Config) (*Handler, error) {
	d, err := handler.Declare[Metrics](handler.Spec{Type: "icmp", Forwards: true}, cfg.Settings)
	return &Handler{d, cfg}, err
}

// NewShard returns the part of h that one worker owns.
func (h *Handler) NewShard() handler.Shard { return &shard{h.NewBase(), h.cfg, nil} }

type shard struct {
	handler.Base[Metrics]
	cfg  Config
	text []byte // scratch
}

// Process counts the ICMP messages of a batch.
func (s *shard) Process(b *handler.Batch) {
	for i := range b.Packets {
		p := b.Packets[i].Innermost()
		name := typeName(p)
		switch {
		case name == "":
		case s.cfg.OnlyErrors && isEcho(name):
			s.Events.Offered, s.Events.Filtered = s.Events.Offered+1, s.Events.Filtered+1
		default:
			// a costly analyzer asks s.Sampler.Deep which events count in Deep
			s.Events.Offered, s.Events.Deep = s.Events.Offered+1, s.Events.Deep+1
			s.count(p, name)
			if s.Forward != nil { // another handler follows in a sequence
				s.Forward.Packets = append(s.Forward.Packets, b.Packets[i])
			}
		}
	}
}

func (s *shard) count(p *decode.Packet, name string) {
	s.Live.Messages.Add(1)
	s.text = append(s.text[:0], name...)
	s.Live.Types.Add(s.Hash.Sum(s.text), s.text, 1)
	s.Live.Senders.Add(s.Hash.Addr(p.Src.Addr()))
	if target := quoted(p); target.IsValid() && name == unreachable {
		s.text = s.Shown.Addr(target).AppendTo(s.text[:0]) // as the policy asks for
		s.Live.Lost.Add(s.Hash.Sum(s.text), s.text, 1)
	}
}

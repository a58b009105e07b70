package bgp

import (
	"visor/decode/bgpmsg"
	"visor/handler"
	"visor/sketch"
)

// Metrics holds the counts of a Handler.
type Metrics struct {
	Events      sketch.Counter `metric:"wire_packets.events" help:"BGP messages"`
	DeepSamples sketch.Counter `metric:"wire_packets.deep_samples" help:"BGP messages that were sampled for in-depth inspection"`
	RateEvents  sketch.Rate    `metric:"rates.events" help:"BGP messages per second"`
	RateTotal   sketch.Rate    `metric:"rates.total" help:"BGP messages per second"`

	Total        sketch.Counter `metric:"wire_packets.total" help:"BGP messages"`
	Filtered     sketch.Counter `metric:"wire_packets.filtered" help:"BGP messages that did not pass the filters, of which there are none"`
	Open         sketch.Counter `metric:"wire_packets.open" help:"BGP messages of type OPEN"`
	Update       sketch.Counter `metric:"wire_packets.update" help:"BGP messages of type UPDATE"`
	Notification sketch.Counter `metric:"wire_packets.notification" help:"BGP messages of type NOTIFICATION"`
	Keepalive    sketch.Counter `metric:"wire_packets.keepalive" help:"BGP messages of type KEEPALIVE"`
	RouteRefresh sketch.Counter `metric:"wire_packets.routerefresh" help:"BGP messages of type ROUTE-REFRESH"`
}

// Config configures a Handler. The zero Config is ready to use. The handler does not have metric
// groups or filters.
type Config struct {
	handler.Settings

	_ struct{} `policy:"recorded_stream" help:"has no effect: the pipeline detects recordings"`
}

// Handler is the BGP analyzer.
type Handler struct{ handler.Declared[Metrics] }

var _ handler.Handler = (*Handler)(nil)

// New returns a Handler, or an error listing all problems in cfg.
func New(cfg Config) (*Handler, error) {
	d, err := handler.Declare[Metrics](handler.Spec{Type: "bgp"}, cfg.Settings)
	if err != nil {
		return nil, err
	}
	return &Handler{d}, nil
}

// From returns the metrics of the first bgp handler in s, or nil without one.
func From(s *handler.Snapshot) *Metrics { return handler.Find[Metrics](s) }

// NewShard returns the part of h for one worker.
func (h *Handler) NewShard() handler.Shard { return &shard{h.NewBase()} }

type shard struct {
	handler.Base[Metrics]
}

// Process counts the batch's BGP messages.
func (s *shard) Process(b *handler.Batch) {
	s.StartPass()
	for i := range b.BGP {
		m := &b.BGP[i]
		s.Tally.Offered++
		if m.Msg == nil {
			s.Tally.Undecodable++
			continue
		}
		s.count(m)
	}
}

func (s *shard) count(m *handler.BGPMessage) {
	second := handler.SecondOf(m.TimeNS)
	s.Live.Events.Add(1)
	s.Live.Total.Add(1)
	s.Live.RateEvents.Add(second.Unix(), 1)
	s.Live.RateTotal.Add(second.Unix(), 1)
	if s.Sampler.Deep() {
		s.Live.DeepSamples.Add(1)
		s.Tally.Analysed++
	} else {
		s.Tally.NotSampled++
	}
	switch m.Msg.Type() {
	case bgpmsg.Open:
		s.Live.Open.Add(1)
	case bgpmsg.Update:
		s.Live.Update.Add(1)
	case bgpmsg.Notification:
		s.Live.Notification.Add(1)
	case bgpmsg.Keepalive:
		s.Live.Keepalive.Add(1)
	case bgpmsg.RouteRefresh:
		s.Live.RouteRefresh.Add(1)
	}
}

package bgp

import (
	"visor/decode/bgpmsg"
	"visor/handler"
	"visor/sketch"
)

// Metrics holds the counts of a Handler.
type Metrics struct {
	handler.EventCounts  `with:"what=BGP messages events=wire_packets.events deep=wire_packets.deep_samples rate=events filtered=wire_packets.filtered group="`
	handler.PassedCounts `with:"what=BGP messages total=wire_packets.total rate=total group="`

	Open         sketch.Counter `metric:"wire_packets.open" total:"messages_by_type type=OPEN" help:"BGP messages of type OPEN"`
	Update       sketch.Counter `metric:"wire_packets.update" total:"messages_by_type type=UPDATE" help:"BGP messages of type UPDATE"`
	Notification sketch.Counter `metric:"wire_packets.notification" total:"messages_by_type type=NOTIFICATION" help:"BGP messages of type NOTIFICATION"`
	Keepalive    sketch.Counter `metric:"wire_packets.keepalive" total:"messages_by_type type=KEEPALIVE" help:"BGP messages of type KEEPALIVE"`
	RouteRefresh sketch.Counter `metric:"wire_packets.routerefresh" total:"messages_by_type type=ROUTE-REFRESH" help:"BGP messages of type ROUTE-REFRESH"`
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
	for i := range b.BGP {
		m := &b.BGP[i]
		if m.Msg == nil {
			s.Events.Unread++
			continue
		}
		s.count(m)
	}
}

func (s *shard) count(m *handler.BGPMessage) {
	s.Enter(m.TimeNS)
	s.Events.Offered++
	if s.Sampler.Deep() {
		s.Events.Deep++
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

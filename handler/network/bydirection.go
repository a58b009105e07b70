package network

import (
	"net/netip"

	"visor/decode"
	"visor/handler"
	"visor/handler/metric"
	"visor/sketch"
)

// groupQuantiles is a group of version 2.0 only. Its other groups have the bits of version 1.0.
const groupQuantiles metric.GroupSet = 1 << 8

var directionGroupNames = append(groupNames[:len(groupNames):len(groupNames)], "quantiles")

// DirectionMetrics holds the counts of a DirectionHandler: the same metrics for each direction.
type DirectionMetrics struct {
	handler.EventCounts `with:"what=packets events=observed_packets deep=deep_sampled_packets rate=observed_pps filtered=filtered_packets group=counters"`
	// "in", "out" and "unknown", created on first use
	Directions metric.Map[Direction] `metric:"" total:"direction" label:"direction"`
}

// Direction holds the counts of one direction's packets. It counts remote addresses. For packets of
// unknown direction it counts both addresses.
type Direction struct {
	Total  sketch.Counter `metric:"total_packets,counters" total:"packets" help:"packets that passed the filters"`
	Counts `with:"packets=_packets syn=tcp.syn_packets geo=top_geo_loc_packets asn=top_asn_packets size=payload_size_bytes sizes=quantiles"`

	IPs sketch.Cardinality `metric:"cardinality.ips,cardinality" help:"distinct remote addresses"`

	RatePackets sketch.Rate `metric:"rates.pps,quantiles" help:"packets per second"`
	// bytes despite its name, as in pktvisor
	RateBytes sketch.Rate `metric:"rates.bps,quantiles" total:"bytes" help:"captured bytes per second"`

	Shape `with:","`
}

// DirectionHandler is the network analyzer, of version 2.0.
type DirectionHandler struct{ declared[DirectionMetrics] }

var _ handler.Handler = (*DirectionHandler)(nil)

// NewByDirection returns a DirectionHandler, or an error listing all problems in cfg.
func NewByDirection(cfg Config) (*DirectionHandler, error) {
	d, err := declare[DirectionMetrics](cfg, "2.0", "net", directionGroupNames)
	if err != nil {
		return nil, err
	}
	return &DirectionHandler{d}, nil
}

// FromByDirection returns the metrics of the first network handler of version 2.0 in s, or nil
// without one.
func FromByDirection(s *handler.Snapshot) *DirectionMetrics { return handler.Find[DirectionMetrics](s) }

// NewShard returns the part of h for one worker.
func (h *DirectionHandler) NewShard() handler.Shard {
	s := &directionShard{front: h.newFront(packetShapes)}
	if s.remotes != nil {
		s.remotes.leave = s.left
	}
	s.Deliver = s.deliver
	return s
}

type directionShard struct {
	front[DirectionMetrics]
	dirs [3]*Direction // of the live period, by decode.Direction; nil until there is a packet
	// by decode.Direction
	sizes    [3]sizes
	shapings [3]shaping
}

// deliver adds all counts to the metrics.
func (s *directionShard) deliver() {
	s.remotes.deliver()
	for dir, d := range s.dirs {
		if d != nil {
			s.sizes[dir].deliver(&d.PayloadSize)
		}
	}
	for dir := range s.shapings {
		if shape := &s.shapings[dir]; shape.used {
			shape.deliver(&s.dirs[dir].Shape)
		}
	}
}

// left adds the packets of an address to the metrics.
func (s *directionShard) left(r *remote, hash uint64) {
	for dir, d := range s.dirs {
		n, source := r.of(decode.Direction(dir))
		if n == 0 {
			continue
		}
		if s.groups.Has(groupCardinality) {
			d.IPs.Add(hash)
		}
		s.addPackets(r, hash, &d.Counts, n)
		s.addShape(r, hash, &d.Shape, n, source)
	}
}

// Shift closes the live period.
func (s *directionShard) Shift(startNS int64) {
	s.Base.Shift(startNS)
	if s.Live.Directions.Len() == 0 { // a single bucket keeps them
		s.dirs = [3]*Direction{}
	}
}

// Process counts the batch's packets.
func (s *directionShard) Process(b *handler.Batch) {
	for i := range b.Packets {
		p := &b.Packets[i]
		if !s.Events.In(p.TimeNS) {
			s.flush()
			s.Events.Begin(p.TimeNS)
		}
		s.Events.Offered++
		if s.admit(p) {
			s.sum.count(p)
			s.packet(p, s.direction(p.Dir%3))
		}
	}
	s.flush()
	if s.Forward != nil {
		s.forwardMessages(b)
	}
}

// direction returns the metrics of a direction.
func (s *directionShard) direction(dir decode.Direction) *Direction {
	if s.dirs[dir] == nil {
		s.dirs[dir] = s.Live.Directions.At(dir.String())
	}
	return s.dirs[dir]
}

func (s *directionShard) packet(p *decode.Packet, d *Direction) {
	if s.groups.Has(groupQuantiles) {
		s.sizes[p.Dir%3].count(len(p.Frame), &d.PayloadSize)
	}
	if s.shapes.shape {
		s.shapings[p.Dir%3].count(&d.Shape, p)
	}
	if !s.Sampler.Deep() {
		return
	}
	s.Events.Deep++
	if isSYN(p) {
		d.SYN.Add(1)
	}
	if !p.Layers.Has(decode.LayerIP) {
		return
	}
	tapped := p.Layers.Has(decode.LayerDNSTap)
	if s.shapes.ports && !tapped {
		d.countPorts(p)
	}
	both := p.Dir == decode.Unknown || tapped
	if (both || p.Dir == decode.ToHost) && p.Src.IsValid() {
		s.address(p.Src.Addr(), d, roleOf(p.Dir, true))
	}
	if (both || p.Dir == decode.FromHost) && p.Dst.IsValid() {
		s.address(p.Dst.Addr(), d, roleOf(p.Dir, false))
	}
}

// address counts a packet of an address.
func (s *directionShard) address(addr netip.Addr, d *Direction, as role) {
	if s.remotes == nil {
		s.addDirect(addr, &d.IPs, &d.Counts)
		return
	}
	s.remotes.note(addr, as)
}

// flush adds the counts of a second to the metrics and the account.
func (s *directionShard) flush() {
	if s.Events.Offered == 0 {
		return
	}
	sec := s.Events.Unix()
	s.Flush()
	for i := range s.sum.dirs {
		if v := &s.sum.dirs[i]; v.packets > 0 {
			s.dirs[i].add(v, sec)
		}
	}
	s.sum = tally{}
}

// add adds the counts of v, accumulated in one second.
func (d *Direction) add(v *volume, sec int64) {
	d.Total.Add(v.packets)
	d.RatePackets.Add(sec, v.packets)
	d.RateBytes.Add(sec, v.bytes)
	for k, n := range v.kinds {
		d.addKind(uint8(k), n)
	}
}

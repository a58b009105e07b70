package dns

import (
	"net/netip"

	"visor/decode/dnsmsg"
	"visor/decode/dnsmsg/suffix"
	"visor/geo"
	"visor/handler"
	"visor/handler/metric"
	"visor/sketch/hash64"
)

// front holds the common fields of shards of all versions.
type front[M any] struct {
	handler.Base[M]
	groups metric.GroupSet
	filter filter
	geo    *geo.Cache // nil without databases
	public bool       // cut names at their public suffix
	names  *nameCounts
	text   []byte // scratch for texts
}

func (d *declared[M]) newFront() front[M] {
	f := front[M]{
		Base:   d.NewBase(),
		groups: d.Info().Groups,
		filter: newFilter(&d.cfg),
		public: d.cfg.PublicSuffix,
		names:  new(nameCounts),
	}
	if d.cfg.Geo != nil {
		f.geo = d.cfg.Geo.NewCache()
	}
	return f
}

// Keyed passes the hasher of keys to the geo cache.
func (s *front[M]) Keyed(h *hash64.Hasher) {
	if s.geo != nil {
		s.geo.Keyed(h)
	}
}

// parts are the parts of a name that lists count. three may be the root, which is not counted.
type parts struct{ two, three dnsmsg.Name }

// parts returns the last two and three labels of a name. If suffixLen is not 0, the name is cut
// there instead.
func (s *front[M]) parts(m *handler.Message, suffixLen int) (p parts) {
	if suffixLen != 0 || s.public && m.DNSTapType == 0 {
		p.two, p.three = s.cut(m, suffixLen)
	} else {
		p.two, p.three = m.Question.Cut(m.Name)
	}
	return p
}

// cut cuts the name one and two labels before a suffix. A configured suffix need not begin at a
// label; otherwise it is the public suffix.
func (s *front[M]) cut(m *handler.Message, suffixLen int) (two, three dnsmsg.Name) {
	s.text = m.Name.AppendText(s.text[:0])
	if suffixLen == 0 {
		suffixLen = suffix.Len(s.text)
	}
	return m.Name.Aggregate(s.text, suffixLen)
}

// clientSubnet returns the client subnet of a query, or an invalid address. It finds the option
// anywhere. pktvisor finds only the first option of the first additional record, and reads eight
// bytes of an IPv6 address.
func clientSubnet(query dnsmsg.Message) netip.Addr {
	if ecs, ok := query.ClientSubnet(); ok {
		return ecs.Addr
	}
	return netip.Addr{}
}

// subnet counts a client subnet.
func (s *front[M]) subnet(c *Counts, addr netip.Addr) {
	c.ECS.Add(1)
	s.text = addr.AppendTo(s.text[:0])
	c.TopECS.Add(s.Hash.Sum(s.text), s.text, 1)
	if s.geo == nil {
		return
	}
	if l := s.geo.City(addr); l != nil {
		c.TopGeoECS.Add(l.Hash, l.Key, 1)
	}
	if as := s.geo.ASN(addr); as != nil {
		c.TopASNECS.Add(as.Hash, as.Key, 1)
	}
}

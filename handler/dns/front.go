package dns

import (
	"net/netip"

	"visor/decode/dnsmsg"
	"visor/decode/dnsmsg/suffix"
	"visor/geo"
	"visor/handler"
	"visor/handler/metric"
	"visor/sketch"
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
	mask   *mask
	text   []byte // scratch for texts

	own     hostGroups // enabled groups of clients and servers
	clients *clientCounts
	servers serverCounts
	ends    ends
	pairs   *clientNames // nil if they are off
	asks    bool         // some group counts by client
	waits   bool         // some group counts queries without a reply by their ends

	transfers transfers
	single    [1]sketch.NameCount // scratch for a list
}

// hostGroups are the metric groups of clients and servers, in one version. A group is 0 if it is
// off.
type hostGroups struct{ clients, names, servers, timeouts metric.GroupSet }

func (g hostGroups) all() metric.GroupSet { return g.clients | g.names | g.servers | g.timeouts }

// in returns the groups that are in set.
func (g hostGroups) in(set metric.GroupSet) hostGroups {
	return hostGroups{g.clients & set, g.names & set, g.servers & set, g.timeouts & set}
}

// newFront returns the common fields of a shard with these groups; traffic is the one that counts
// sources.
func (d *declared[M]) newFront(own hostGroups, traffic metric.GroupSet) front[M] {
	f := front[M]{
		Base:   d.NewBase(),
		groups: d.Info().Groups,
		filter: newFilter(&d.cfg),
		public: d.cfg.PublicSuffix,
		names:  new(nameCounts),
	}
	f.mask = &mask{by: f.Shown, hash: f.Hash}
	if d.cfg.Geo != nil {
		f.geo = d.cfg.Geo.NewCache()
	}
	f.own = own.in(f.groups)
	f.servers.hash, f.servers.mask = f.Hash, f.mask
	if f.own.names != 0 {
		f.pairs = &clientNames{hash: f.Hash, mask: f.mask}
	}
	f.waits = f.own != (hostGroups{})
	f.asks = f.own.clients|f.own.names|f.groups&traffic != 0
	if f.own.clients != 0 {
		f.clients = &clientCounts{hash: f.Hash, mask: f.mask, geo: f.geo, v4: d.cfg.ClientSubnetV4, v6: d.cfg.ClientSubnetV6}
	}
	return f
}

// Keyed passes the hasher of keys to the geo cache and to the counts of hosts, and what the
// pipeline made of Shown.
func (s *front[M]) Keyed(h *hash64.Hasher) {
	if s.geo != nil {
		s.geo.Keyed(h)
	}
	if s.clients != nil {
		s.clients.hash = h
	}
	if s.pairs != nil {
		s.pairs.hash = h
	}
	s.servers.hash, s.mask.hash, s.mask.by = h, h, s.Shown
}

// connectOwn makes the counts that pktvisor lacks go to the metrics of a new period.
func (s *front[M]) connectOwn(c *Clients, servers *metric.Map[Server]) {
	if s.clients != nil {
		s.clients.to = c
	}
	if s.pairs != nil {
		s.pairs.shift(c)
	}
	s.servers.shift(servers)
}

// keepEnds keeps the ends of a sampled query for the case that no reply comes. It returns their
// reference.
func (s *front[M]) keepEnds(m *handler.Message) uint32 {
	if !s.waits {
		return 0
	}
	return s.ends.add(m)
}

// unanswered counts a query whose reply did not come in time. e is nil if it was not sampled.
func (s *front[M]) unanswered(e *end, timeouts *metric.TopDomains) {
	if e == nil {
		return
	}
	if s.clients != nil {
		s.clients.add(e.client, clientUnanswered, 0)
	}
	if s.own.servers != 0 {
		s.servers.of(e.server).Unanswered.Add(1)
	}
	if s.own.timeouts != 0 && e.flags&named != 0 {
		name, hash := s.mask.name(e.key(), e.keyHash(s.Hash))
		s.single[0] = sketch.NameCount{Hash: hash, Name: name, Count: 1}
		timeouts.AddAll(s.single[:])
	}
}

// parts are the parts of a name that lists count. three may be the root, which is not counted.
type parts struct{ two, three dnsmsg.Name }

// parts returns the last two and three labels of a name. If suffixLen is not 0, the name is cut
// there instead.
func (s *front[M]) parts(m *handler.Message, suffixLen int) (p parts) {
	if suffixLen != 0 || s.public && m.DNSTapType == 0 {
		p.two, p.three = s.cut(m.Name, suffixLen)
	} else {
		p.two, p.three = m.Question.Cut(m.Name)
	}
	return p
}

// cut cuts a name one and two labels before a suffix. A configured suffix need not begin at a
// label; otherwise it is the public suffix.
func (s *front[M]) cut(name dnsmsg.Name, suffixLen int) (two, three dnsmsg.Name) {
	s.text = name.AppendText(s.text[:0])
	if suffixLen == 0 {
		suffixLen = suffix.Len(s.text)
	}
	return name.Aggregate(s.text, suffixLen)
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
	s.text = s.Shown.Subnet(addr).AppendTo(s.text[:0])
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

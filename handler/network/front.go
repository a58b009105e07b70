package network

import (
	"net/netip"

	"visor/decode"
	"visor/geo"
	"visor/handler"
	"visor/handler/metric"
	"visor/sketch"
	"visor/sketch/hash64"
)

// front holds the common fields of shards of all versions: filters, exact counts, and forwarding.
type front[M any] struct {
	handler.Base[M]
	cfg      *Config
	geo      *geo.Cache // nil without databases
	groups   metric.GroupSet
	filtered bool // at least one filter is configured
	sum      tally
	remotes  *remotes
	shown    remote // scratch
	shapes   shapes
}

// shapes are the groups of a [Shape] that are on.
type shapes struct{ shape, ports, subnets, sources bool }

// shapeGroups are the bits of these groups, in one version.
type shapeGroups struct{ shape, ports, subnets, sources metric.GroupSet }

func newShapes(on metric.GroupSet, g shapeGroups) shapes {
	return shapes{on.Has(g.shape), on.Has(g.ports), on.Has(g.subnets), on.Has(g.sources)}
}

// addresses reports whether addresses count beside pktvisor's lists.
func (s shapes) addresses() bool { return s.subnets || s.sources }

func (d *declared[M]) newFront(g shapeGroups) front[M] {
	cfg := &d.cfg
	f := front[M]{
		Base:     d.NewBase(),
		groups:   d.Info().Groups,
		filtered: cfg.GeoNotFound || cfg.ASNNotFound || len(cfg.GeoPrefixes) > 0 || len(cfg.ASNs) > 0,
		cfg:      cfg,
		shapes:   newShapes(d.Info().Groups, g),
	}
	f.remotes = &remotes{direct: cfg.Geo == nil && !f.shapes.addresses()}
	if cfg.Geo != nil {
		f.geo = cfg.Geo.NewCache()
	}
	return f
}

// Keyed passes the hasher of keys to the geo cache.
func (f *front[M]) Keyed(h *hash64.Hasher) {
	if f.geo != nil {
		f.geo.Keyed(h)
	}
}

// admit counts p in the tally. It reports whether p passes the filters.
func (f *front[M]) admit(p *decode.Packet) bool {
	f.Events.Offered++
	if f.filtered && !p.Layers.Has(decode.LayerDNSTap) && !f.match(p) {
		f.Events.Filtered++
		if f.Sampler.Last() {
			f.Events.DeepLost++
		}
		return false
	}
	// as in pktvisor, dnstap messages are not counted further
	if f.Forward != nil && !p.Layers.Has(decode.LayerDNSTap) {
		f.Forward.Packets = append(f.Forward.Packets, *p)
	}
	f.sum.count(p)
	return true
}

// forwardMessages forwards the messages whose frames pass the filters.
func (f *front[M]) forwardMessages(b *handler.Batch) {
	for i := range b.DNS {
		if m := &b.DNS[i]; m.DNSTapType == 0 && (!f.filtered || f.match(m.Frame)) {
			f.Forward.DNS = append(f.Forward.DNS, *m)
		}
	}
	for i := range b.BGP {
		if m := &b.BGP[i]; !f.filtered || f.match(m.Frame) {
			f.Forward.BGP = append(f.Forward.BGP, *m)
		}
	}
}

// add adds the packets of an address to the lists of c and to card, unless card is nil, and to the
// subnets and sources of to.
func (f *front[M]) add(r *remote, card *sketch.Cardinality, c *Counts, to *Shape) {
	n := uint64(r.packets)
	v6 := r.role&roleIPv6 != 0
	if card != nil && f.groups.Has(groupCardinality) {
		card.Add(r.hash)
	}
	if card != nil && f.geo != nil && f.groups.Has(groupTopGeo) {
		f.places(r.addr(), c, n)
	}
	if r.role&roleSource != 0 && f.shapes.sources {
		to.Sources.Add(r.hash)
	}
	if f.Shown != nil {
		f.shown = r.shown(f.Shown, f.Hash)
		r = &f.shown
	}
	switch on := card != nil && f.groups.Has(groupTopIPs); {
	case on && v6:
		c.TopIPv6.Add(r.hash, r.ipv6(), n)
	case on:
		c.TopIPv4.Add(r.hash, r.ipv4(), n)
	}
	if f.shapes.subnets {
		f.subnet(r, to, n)
	}
}

// subnet counts n packets for the network of an address.
func (f *front[M]) subnet(r *remote, to *Shape, n uint64) {
	if r.role&roleIPv6 != 0 {
		a := r.ipv6()
		net := Subnet6(a[:6])
		to.TopSubnets6.Add(f.Hash.Uint64(r.high>>16), net, n)
		return
	}
	a := r.ipv4()
	to.TopSubnets4.Add(f.Hash.Uint64(r.low>>8), Subnet4(a[:3]), n)
}

// places counts n packets for the location and the autonomous system of addr.
func (f *front[M]) places(addr netip.Addr, c *Counts, n uint64) {
	if at := f.geo.City(addr); at != nil {
		c.TopGeo.Add(at.Hash, at.Key, n)
	}
	if as := f.geo.ASN(addr); as != nil {
		c.TopASN.Add(as.Hash, as.Key, n)
	}
}

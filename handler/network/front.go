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
	remotes  *remotes // nil if addresses are added to the lists at once
	shown    remote   // scratch
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
	if cfg.Geo != nil {
		f.geo = cfg.Geo.NewCache()
	}
	if f.geo != nil || f.Shown != nil || f.shapes.addresses() {
		f.remotes = &remotes{hash: f.Hash}
	}
	return f
}

// Keyed passes the hasher of keys to the slots of addresses and the geo cache.
func (f *front[M]) Keyed(h *hash64.Hasher) {
	if f.remotes != nil {
		f.remotes.hash = h
	}
	if f.geo != nil {
		f.geo.Keyed(h)
	}
}

// admit reports whether p passes the filters. It forwards p if a handler is fed.
func (f *front[M]) admit(p *decode.Packet) bool {
	return !f.filtered && f.Forward == nil || f.pass(p)
}

// pass is admit where there are filters or a handler is fed.
func (f *front[M]) pass(p *decode.Packet) bool {
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

// addDirect adds a packet of an address to pktvisor's lists in c and to card. Without databases,
// visor's own groups and anonymization, an address has no more places than these, and the slot of a
// [remotes] would not pay.
func (f *front[M]) addDirect(addr netip.Addr, card *sketch.Cardinality, c *Counts) {
	var hash uint64
	top := f.groups.Has(groupTopIPs)
	switch {
	case addr.IsUnspecified():
		return
	case addr.Is4():
		a := addr.As4()
		if hash = f.Hash.IPv4(a); top {
			c.TopIPv4.Add(hash, a, 1)
		}
	default:
		a := addr.As16()
		if hash = f.Hash.IPv6(a); top {
			c.TopIPv6.Add(hash, a, 1)
		}
	}
	if f.groups.Has(groupCardinality) {
		card.Add(hash)
	}
}

// addPackets adds n packets of an address to pktvisor's lists in c.
func (f *front[M]) addPackets(r *remote, hash uint64, c *Counts, n uint64) {
	if f.geo != nil && f.groups.Has(groupTopGeo) {
		f.places(r.addr(), c, n)
	}
	if !f.groups.Has(groupTopIPs) {
		return
	}
	if r, hash = f.listed(r, hash); r.v6 {
		c.TopIPv6.Add(hash, r.ipv6(), n)
	} else {
		c.TopIPv4.Add(hash, r.ipv4(), n)
	}
}

// addShape adds n packets of an address to the subnets of c, and a source to its sources.
func (f *front[M]) addShape(r *remote, hash uint64, c *Shape, n uint64, source bool) {
	if source && f.shapes.sources {
		c.Sources.Add(hash)
	}
	if f.shapes.subnets {
		r, _ = f.listed(r, hash)
		f.subnet(r, c, n)
	}
}

// listed returns the address that lists show, with its hash, valid until the next call.
func (f *front[M]) listed(r *remote, hash uint64) (*remote, uint64) {
	if f.Shown == nil {
		return r, hash
	}
	f.shown.set(f.Shown.Addr(r.addr()))
	return &f.shown, f.shown.sum(f.Hash)
}

// subnet counts n packets for the network of an address.
func (f *front[M]) subnet(r *remote, to *Shape, n uint64) {
	if r.v6 {
		a := r.ipv6()
		net := Subnet6(a[:6])
		to.TopSubnets6.Add(f.Hash.Uint64(r.high>>16), net, n)
		return
	}
	a := r.ipv4()
	to.TopSubnets4.Add(f.Hash.Uint64(uint64(uint32(r.low)>>8)), Subnet4(a[:3]), n)
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

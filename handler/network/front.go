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
}

func (d *declared[M]) newFront() front[M] {
	cfg := &d.cfg
	f := front[M]{
		Base:     d.NewBase(),
		groups:   d.Info().Groups,
		filtered: cfg.GeoNotFound || cfg.ASNNotFound || len(cfg.GeoPrefixes) > 0 || len(cfg.ASNs) > 0,
		cfg:      cfg,
	}
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

// remote counts a remote address in c and card. It ignores the unspecified address.
func (f *front[M]) remote(addr netip.Addr, card *sketch.Cardinality, c *Counts) {
	if addr.Is4() {
		a := addr.As4()
		if a == [4]byte{} {
			return
		}
		h := f.Hash.IPv4(a)
		if f.groups.Has(groupCardinality) {
			card.Add(h)
		}
		if f.groups.Has(groupTopIPs) {
			c.TopIPv4.Add(h, a, 1)
		}
	} else {
		a := addr.As16()
		if a == [16]byte{} {
			return
		}
		h := f.Hash.IPv6(a)
		if f.groups.Has(groupCardinality) {
			card.Add(h)
		}
		if f.groups.Has(groupTopIPs) {
			c.TopIPv6.Add(h, a, 1)
		}
	}
	if f.geo != nil && f.groups.Has(groupTopGeo) {
		f.places(addr, c)
	}
}

// places counts the location and the autonomous system of addr.
func (f *front[M]) places(addr netip.Addr, c *Counts) {
	if at := f.geo.City(addr); at != nil {
		c.TopGeo.Add(at.Hash, at.Key, 1)
	}
	if as := f.geo.ASN(addr); as != nil {
		c.TopASN.Add(as.Hash, as.Key, 1)
	}
}

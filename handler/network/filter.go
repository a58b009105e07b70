package network

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"visor/decode"
	"visor/geo"
)

// match reports whether p passes the configured filters.
func (f *front[M]) match(p *decode.Packet) bool {
	var remote netip.Addr
	switch {
	case f.geo == nil || !p.Layers.Has(decode.LayerIP):
		return false
	case p.Dir == decode.ToHost:
		remote = p.Src.Addr()
	case p.Dir == decode.FromHost:
		remote = p.Dst.Addr()
	default:
		return false
	}
	return f.matchPlace(remote) && f.matchNetwork(remote)
}

func (f *front[M]) matchPlace(remote netip.Addr) bool {
	if !f.cfg.GeoNotFound && len(f.cfg.GeoPrefixes) == 0 {
		return true
	}
	place := f.geo.City(remote)
	if place == nil {
		return false
	}
	return f.cfg.GeoNotFound && place.Text == geo.Unknown ||
		slices.ContainsFunc(f.cfg.GeoPrefixes, func(prefix string) bool { return strings.HasPrefix(place.Text, prefix) })
}

func (f *front[M]) matchNetwork(remote netip.Addr) bool {
	if !f.cfg.ASNNotFound && len(f.cfg.ASNs) == 0 {
		return true
	}
	as := f.geo.ASN(remote)
	if as == nil {
		return false
	}
	return f.cfg.ASNNotFound && as.Text == geo.Unknown ||
		slices.Contains(f.cfg.ASNs, strconv.FormatUint(uint64(as.Number), 10))
}

package network

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"visor/decode"
	"visor/geo"
)

// passes reports whether p passes the configured filters.
func (s *shard) passes(p *decode.Packet) bool {
	var remote netip.Addr
	switch {
	case s.geo == nil || !p.Layers.Has(decode.LayerIP):
		return false
	case p.Dir == decode.ToHost:
		remote = p.Src.Addr()
	case p.Dir == decode.FromHost:
		remote = p.Dst.Addr()
	default:
		return false
	}
	return s.placePasses(remote) && s.networkPasses(remote)
}

func (s *shard) placePasses(remote netip.Addr) bool {
	if !s.cfg.GeoNotFound && len(s.cfg.GeoPrefixes) == 0 {
		return true
	}
	place := s.geo.City(remote)
	if place == nil {
		return false
	}
	return s.cfg.GeoNotFound && place.Text == geo.Unknown ||
		slices.ContainsFunc(s.cfg.GeoPrefixes, func(prefix string) bool { return strings.HasPrefix(place.Text, prefix) })
}

func (s *shard) networkPasses(remote netip.Addr) bool {
	if !s.cfg.ASNNotFound && len(s.cfg.ASNs) == 0 {
		return true
	}
	as := s.geo.ASN(remote)
	if as == nil {
		return false
	}
	return s.cfg.ASNNotFound && as.Text == geo.Unknown ||
		slices.Contains(s.cfg.ASNs, strconv.FormatUint(uint64(as.Number), 10))
}

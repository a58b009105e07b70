package flow

import (
	"net/netip"

	"visor/decode"
	"visor/geo"
)

// match returns the interfaces for which a record counts, or none if a filter rejects it. A record
// observed at ingress counts for the input interface only, because the output interface has a
// separate record.
func (s *shard) match(d *device, f *decode.Flow) (in, out bool) {
	cfg := &s.h.cfg
	if !s.h.onlyNets.Empty() && !s.h.onlyNets.Contains(valid(f.Src)) && !s.h.onlyNets.Contains(valid(f.Dst)) {
		return false, false
	}
	if len(cfg.OnlyPorts) > 0 && !contains(cfg.OnlyPorts, uint32(f.SrcPort)) && !contains(cfg.OnlyPorts, uint32(f.DstPort)) {
		return false, false
	}
	if cfg.GeoNotFound && s.located(f) || cfg.ASNNotFound && s.owned(f) {
		return false, false
	}
	in = (cfg.OnlyIn || !cfg.OnlyOut) && f.Observed != decode.AtEgress
	out = (cfg.OnlyOut || !cfg.OnlyIn) && f.Observed != decode.AtIngress
	if cfg.OnlyInterfaces != nil {
		in, out = in && contains(d.only, f.Input), out && contains(d.only, f.Output)
	}
	return in, out
}

// valid returns addr, or an address outside all networks if addr is invalid.
func valid(addr netip.Addr) netip.Addr {
	if !addr.IsValid() {
		return netip.IPv4Unspecified()
	}
	return addr
}

// located reports whether the locations of both ends are in the database.
func (s *shard) located(f *decode.Flow) bool {
	known := func(addr netip.Addr) bool {
		l := s.geo.City(addr)
		return l != nil && l.Text != geo.Unknown
	}
	return s.geo != nil && f.Src.IsValid() && f.Dst.IsValid() && known(f.Src) && known(f.Dst)
}

// owned reports whether the autonomous systems of both ends are in the database.
func (s *shard) owned(f *decode.Flow) bool {
	known := func(addr netip.Addr) bool {
		as := s.geo.ASN(addr)
		return as != nil && as.Text != geo.Unknown
	}
	return s.geo != nil && f.Src.IsValid() && f.Dst.IsValid() && known(f.Src) && known(f.Dst)
}

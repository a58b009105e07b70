package network

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"visor/decode"
	"visor/geo"
	"visor/handler"
	"visor/internal/hash64"
	"visor/sketch"
)

// Config configures a Handler. The zero Config is ready to use.
type Config struct {
	handler.Settings

	Geo *geo.DB // nil leaves the geo lists empty; the caller keeps ownership

	// Filters. The two about locations are alternatives, so are the two about autonomous systems;
	// a packet must pass both pairs. Without a database, or with an unknown direction, none passes. dnstap messages
	// always do, as in the reference.
	GeoNotFound bool     // pass packets whose remote address has no location
	ASNNotFound bool     // pass packets whose remote address has no autonomous system
	GeoPrefixes []string // pass packets whose remote location begins with one of these, as "EU/Sweden"
	ASNs        []string // pass packets whose remote autonomous system has one of these numbers
}

// Handler is the network analyzer.
type Handler struct {
	cfg    Config
	info   handler.Info
	schema *handler.Schema[Metrics]
}

var _ handler.Handler = (*Handler)(nil)

// New returns a Handler, or all the problems it found in cfg, joined.
func New(cfg Config) (*Handler, error) {
	cfg.Settings = cfg.WithDefaults("net")
	info, schema, err := handler.Declare[Metrics](cfg.Settings, "net", "1.0", "packets", groupNames, groupNames.All())
	errs := []error{err}
	for _, asn := range cfg.ASNs {
		if asn == "" || strings.Trim(asn, "0123456789") != "" {
			errs = append(errs, fmt.Errorf("NetStreamHandler: only_asn_number filter contained an invalid/unsupported value: %s", asn))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Handler{cfg: cfg, info: info, schema: schema}, nil
}

// From returns what the network handler of s counted, or nil if s has none. With several it is
// the first.
func From(s *handler.Snapshot) *Metrics { return handler.Find[Metrics](s) }

// Info tells what h is.
func (h *Handler) Info() handler.Info { return h.info }

// NewShard returns the part of h that one worker owns.
func (h *Handler) NewShard() handler.Shard {
	s := &shard{
		Base:     handler.NewBase(h.schema, h.info, h.cfg.DeepSample),
		groups:   h.info.Groups,
		filtered: h.cfg.GeoNotFound || h.cfg.ASNNotFound || len(h.cfg.GeoPrefixes) > 0 || len(h.cfg.ASNs) > 0,
		cfg:      &h.cfg,
	}
	if h.cfg.Geo != nil {
		s.geo = h.cfg.Geo.NewCache()
	}
	return s
}

type shard struct {
	handler.Base[Metrics]
	cfg      *Config
	geo      *geo.Cache // nil without databases
	groups   handler.GroupSet
	filtered bool // any filter is configured
	sum      tally
}

// Process counts the batch's packets.
func (s *shard) Process(b *handler.Batch) {
	s.StartPass()
	for i := range b.Packets {
		p := &b.Packets[i]
		if !s.sum.second.Has(p.TimeNS) {
			s.flush()
			s.sum.second = handler.SecondOf(p.TimeNS)
		}
		s.packet(p)
	}
	s.flush()
	if s.Pass != nil {
		s.passMessages(b)
	}
}

func (s *shard) packet(p *decode.Packet) {
	s.sum.events++
	if s.filtered && !p.Layers.Has(decode.LayerDNSTap) && !s.passes(p) {
		s.sum.filtered++
		if s.Sampler.Last() {
			s.Live.DeepSamples.Add(1)
		}
		return
	}
	if s.Pass != nil && !p.Layers.Has(decode.LayerDNSTap) { // as in the reference, these end here
		s.Pass.Packets = append(s.Pass.Packets, *p)
	}
	s.sum.count(p)
	s.Live.PayloadSize.Add(float64(len(p.Frame)))
	if s.Sampler.Deep() {
		s.sum.deep++
		s.countDeep(p)
	}
}

// countDeep updates what only sampled packets do.
func (s *shard) countDeep(p *decode.Packet) {
	m := s.Live
	if p.Layers.Has(decode.LayerTCP) && p.Flags&decode.FlagSYN != 0 {
		m.SYN.Add(1)
	}
	if !p.Layers.Has(decode.LayerIP) {
		return
	}
	if p.Layers.Has(decode.LayerDNSTap) {
		s.tapped(p)
		return
	}
	switch p.Dir {
	case decode.ToHost:
		s.remote(p.Src.Addr(), &m.SrcIPsIn)
	case decode.FromHost:
		s.remote(p.Dst.Addr(), &m.DstIPsOut)
	}
}

// tapped counts both addresses of a dnstap message, as the reference does: who asked as a source, who answers as a destination.
func (s *shard) tapped(p *decode.Packet) {
	if p.Src.IsValid() {
		s.remote(p.Src.Addr(), &s.Live.SrcIPsIn)
	}
	if p.Dst.IsValid() {
		s.remote(p.Dst.Addr(), &s.Live.DstIPsOut)
	}
}

// remote counts the remote address of a packet in the lists, and in card.
func (s *shard) remote(addr netip.Addr, card *sketch.Cardinality) {
	m := s.Live
	if addr.Is4() {
		a := addr.As4()
		h := hash64.IPv4(a)
		if s.groups.Has(groupCardinality) {
			card.Add(h)
		}
		if s.groups.Has(groupTopIPs) && a != (handler.IPv4{}) {
			m.TopIPv4.Add(h, a, 1)
		}
	} else {
		a := addr.As16()
		h := hash64.IPv6(a)
		if s.groups.Has(groupCardinality) {
			card.Add(h)
		}
		if s.groups.Has(groupTopIPs) && a != (handler.IPv6{}) {
			m.TopIPv6.Add(h, a, 1)
		}
	}
	if s.geo != nil && s.groups.Has(groupTopGeo) {
		s.places(addr)
	}
}

// places counts where addr is, and whose.
func (s *shard) places(addr netip.Addr) {
	m := s.Live
	if l := s.geo.City(addr); l != nil {
		m.TopGeo.Add(l.Hash, l.Key, 1)
	}
	if as := s.geo.ASN(addr); as != nil {
		m.TopASN.Add(as.Hash, as.Key, 1)
	}
}

// passMessages tells the next handler of the messages whose frames pass the filters.
func (s *shard) passMessages(b *handler.Batch) {
	for i := range b.DNS {
		if m := &b.DNS[i]; m.Tap == 0 && (!s.filtered || s.passes(m.Frame)) {
			s.Pass.DNS = append(s.Pass.DNS, *m)
		}
	}
	for i := range b.BGP {
		if m := &b.BGP[i]; !s.filtered || s.passes(m.Frame) {
			s.Pass.BGP = append(s.Pass.BGP, *m)
		}
	}
}

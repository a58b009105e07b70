package flow

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"

	"visor/decode"
	"visor/geo"
	"visor/handler"
)

// Config configures a Handler. The zero Config is ready to use. All filters that are set must pass.
type Config struct {
	handler.Settings

	Geo      *geo.DB   // nil leaves the geo lists empty; the caller keeps ownership
	Services *Services // names of ports; nil shows numbers

	Names     map[netip.Addr]DeviceName // what devices and their interfaces are called; others go by address and ifIndex
	NoScaling bool                      // count sampled packets as they are, whatever the sampling rate
	Sampling  map[netip.Addr]uint32     // rates of devices, one in n packets, for records whose exporter states none

	OnlyInterfaces map[netip.Addr][]Range // count these devices and interfaces; nil counts all
	OnlyNets       []string               // count records with an end in one of these networks, in CIDR form
	OnlyPorts      []Range                // count records with one of these ports at an end
	OnlyIn         bool                   // count input interfaces, not output ones unless OnlyOut is set too
	OnlyOut        bool                   // count output interfaces, not input ones unless OnlyIn is set too
	GeoNotFound    bool                   // leave out records both ends of which have a known location
	ASNNotFound    bool                   // leave out records both ends of which have a known autonomous system

	Summary Summary

	// MaxBytes bounds the memory of all periods and workers of a Handler, and of the copy that
	// queries are answered from; 0 means 96 MiB. Where it does not suffice, lists grow no more, and
	// the least used interfaces and devices are counted as one, [Others].
	MaxBytes int

	// Interfaces is how many interfaces of all devices are kept apart in a period, by each worker;
	// 0 means 1024. An answer over several periods keeps apart as many as all workers do in one.
	Interfaces int
}

// Summary is what lists show in place of addresses. It is tried in the order of the fields.
type Summary struct {
	Except         []string // networks in CIDR form whose addresses are shown as they are
	ByASN          bool     // show the autonomous system; needs a database
	ExceptASNs     []string // numbers of autonomous systems that are not shown
	ExceptUnknowns bool     // show no unknown autonomous system
	Subnets        []string // networks in CIDR form, shown for the addresses in them; 0.0.0.0/n and ::/n show the first n bits of all others
}

// DeviceName is what a device and its interfaces are called.
type DeviceName struct {
	Name       string            // "" shows the address
	Interfaces map[uint32]string // by ifIndex
}

// Range is a range of numbers, both ends included.
type Range struct{ First, Last uint32 }

func contains(ranges []Range, n uint32) bool {
	for _, r := range ranges {
		if r.First <= n && n <= r.Last {
			return true
		}
	}
	return false
}

const (
	defaultBytes      = 96 << 20
	defaultInterfaces = 1024
	maxDevices        = 1024 // a worker keeps apart in a period
	maxEntries        = 768  // of a list in a period
)

// Handler is the flow analyzer.
type Handler struct {
	handler.Declared[Metrics]
	cfg        Config
	onlyNets   decode.HostNets
	summary    summary
	shards     atomic.Int32
	firstBytes int // of an interface
}

var _ handler.Handler = (*Handler)(nil)

// New returns a Handler, or all that is wrong with cfg.
func New(cfg Config) (*Handler, error) {
	if cfg.Interfaces == 0 {
		cfg.Interfaces = defaultInterfaces
	}
	cfg.MaxBytes = cmp.Or(cfg.MaxBytes, defaultBytes)
	spec := handler.Spec{Type: "flow", Groups: groupNames, Defaults: defaultGroups, Exports: true}
	d, err := handler.Declare[Metrics](spec, cfg.Settings)
	if cfg.Interfaces < 0 {
		err = errors.Join(err, fmt.Errorf("flow: Interfaces %d must not be negative", cfg.Interfaces))
	}
	if cfg.MaxBytes < 0 {
		err = errors.Join(err, fmt.Errorf("flow: MaxBytes %d must not be negative", cfg.MaxBytes))
	}
	nets, netsErr := parseNets(cfg.OnlyNets)
	sum, sumErr := newSummary(&cfg.Summary)
	if err := errors.Join(err, netsErr, sumErr); err != nil {
		return nil, err
	}
	h := &Handler{Declared: d, cfg: cfg, onlyNets: nets, summary: sum, firstBytes: interfaceBytes(d.Info().Groups)}
	h.Bound(h.bound)
	return h, nil
}

// From returns what the flow handler of s counted, or nil if s has none. With several it is the
// first.
func From(s *handler.Snapshot) *Metrics { return handler.Find[Metrics](s) }

// share returns the memory of a period in a shard. A shard has its periods, a copy for queries, and
// what waits for interfaces of the period before.
func (h *Handler) share() int {
	return h.cfg.MaxBytes / max(int(h.shards.Load()), 1) / (h.Info().Periods + 2)
}

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

// Config configures a Handler. The zero Config is ready to use. A record must pass all configured
// filters.
type Config struct {
	handler.Settings

	Geo      *geo.DB   // nil leaves the geo lists empty; the caller keeps ownership
	Services *Services // names of ports; nil shows numbers

	// Devices without a name, and their interfaces, are shown by address and ifIndex.
	Devices map[netip.Addr]DeviceConfig `policy:"device_map" help:"names of devices and of their interfaces, and the sampling_rate of records that state none, by IP"`
	NoNames bool                        `policy:"!enrichment" help:"false shows devices and interfaces without their names"`

	OnlyInterfaces map[netip.Addr][]Range `policy:"only_device_interfaces" help:"counts these interfaces, as 7, 1-5 or *, of these devices, by IP"`
	OnlyNets       []string               `policy:"only_ips" help:"counts records with an end in one of these networks, in CIDR form"`
	OnlyPorts      []Range                `policy:"only_ports" help:"counts records with one of these ports at an end, as 53 or 8000-8080"`
	OnlyIn         bool                   `policy:"only_directions=in" help:"counts input interfaces (in), output interfaces (out), or both"`
	OnlyOut        bool                   `policy:"only_directions=out"`
	GeoNotFound    bool                   `policy:"geoloc_notfound" help:"leaves out records with a known location of both ends"`
	ASNNotFound    bool                   `policy:"asn_notfound" help:"leaves out records with a known autonomous system of both ends"`

	Summary   Summary
	NoScaling bool `policy:"!sample_rate_scaling" help:"false counts sampled packets as they are"`

	_ struct{} `policy:"recorded_stream" help:"has no effect: the pipeline detects recordings"`

	// MaxBytes bounds the memory of a Handler in all periods and workers, including the copy for
	// queries; 0 means 96 MiB. At the limit, lists stop growing, and the least used interfaces and
	// devices are counted together as [Others].
	MaxBytes int

	// Interfaces is the number of interfaces that each worker keeps separately in a period, over
	// all devices; 0 means 1024. An answer over several periods keeps as many as all workers do in
	// one.
	Interfaces int
}

// Summary selects the text shown instead of an address. Addresses in Except are shown as they are.
// Otherwise it is the autonomous system, or else the subnet.
type Summary struct {
	ByASN          bool     `policy:"summarize_ips_by_asn" help:"shows the autonomous system of an address; needs a database"`
	Subnets        []string `policy:"subnets_for_summarization" help:"networks in CIDR form, shown for the addresses in them; 0.0.0.0/n and ::/n show the first n bits of all others"`
	ExceptASNs     []string `policy:"exclude_asns_from_summarization" help:"numbers of autonomous systems that are not shown"`
	ExceptUnknowns bool     `policy:"exclude_unknown_asns_from_summarization" help:"shows no unknown autonomous system"`
	Except         []string `policy:"exclude_ips_from_summarization" help:"networks in CIDR form with addresses that are shown as they are"`
}

// DeviceConfig configures an exporter and its interfaces.
type DeviceConfig struct {
	Name       string            // empty shows the address
	Interfaces map[uint32]string // interface names by ifIndex
	// N in 1-in-N sampling, for records without a rate; 0 means unsampled
	Sampling uint32
}

// Range is a range of numbers, including both ends.
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
	maxDevices        = 1024 // maximum per worker and period
	maxEntries        = 768  // maximum per list and period
)

// Handler is the flow analyzer.
type Handler struct {
	handler.Declared[Metrics]
	cfg        Config
	onlyNets   decode.NetSet
	summary    summary
	shards     atomic.Int32
	firstBytes int // per interface
}

var _ handler.Handler = (*Handler)(nil)

// New returns a Handler, or an error listing all problems in cfg.
func New(cfg Config) (*Handler, error) {
	if cfg.Interfaces == 0 {
		cfg.Interfaces = defaultInterfaces
	}
	cfg.MaxBytes = cmp.Or(cfg.MaxBytes, defaultBytes)
	spec := handler.Spec{Type: "flow", Groups: groupNames, Defaults: defaultGroups, WantsFlows: true}
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

// From returns the metrics of the first flow handler in s, or nil without one.
func From(s *handler.Snapshot) *Metrics { return handler.Find[Metrics](s) }

// share returns the memory of one period in a shard. A shard has its periods, a copy for queries,
// and unused memory kept for returning interfaces.
func (h *Handler) share() int {
	return h.cfg.MaxBytes / max(int(h.shards.Load()), 1) / (h.Info().Periods + 2)
}

package network

import (
	"errors"
	"fmt"
	"strings"

	"visor/geo"
	"visor/handler"
	"visor/handler/metric"
)

// Config configures a Handler. The zero Config is ready to use.
type Config struct {
	handler.Settings

	Geo *geo.DB // nil leaves the geo lists empty; the caller keeps ownership

	// The filters. A packet must pass both pairs. The two filters of locations are
	// alternatives, as are the two of autonomous systems. Without a database, or with an unknown
	// direction, no packet passes. As in pktvisor, dnstap messages always pass.
	GeoNotFound bool     `policy:"geoloc_notfound" help:"passes packets whose remote address has no location"`
	ASNNotFound bool     `policy:"asn_notfound" help:"passes packets whose remote address has no autonomous system"`
	GeoPrefixes []string `policy:"only_geoloc_prefix" help:"passes packets whose remote location begins with one of these, as EU/Sweden"`
	ASNs        []string `policy:"only_asn_number" help:"passes packets whose remote autonomous system has one of these numbers"`

	_ struct{} `policy:"recorded_stream" help:"has no effect: the pipeline detects recordings"`
}

// Handler is the network analyzer, of version 1.0.
type Handler struct{ declared[Metrics] }

var _ handler.Handler = (*Handler)(nil)

// New returns a Handler, or an error listing all problems in cfg.
func New(cfg Config) (*Handler, error) {
	d, err := declare[Metrics](cfg, "1.0", "packets", groupNames)
	if err != nil {
		return nil, err
	}
	return &Handler{d}, nil
}

// declared is embedded by the handlers of all versions.
type declared[M any] struct {
	handler.Declared[M]
	cfg Config
}

func declare[M any](cfg Config, version, schema string, groups metric.GroupNames) (declared[M], error) {
	spec := handler.Spec{Type: "net", Version: version, Schema: schema, Groups: groups, Defaults: groups.All() &^ ownGroups, Own: ownGroups, Forwards: true}
	d, err := handler.Declare[M](spec, cfg.Settings)
	errs := []error{err}
	for _, asn := range cfg.ASNs {
		if asn == "" || strings.Trim(asn, "0123456789") != "" {
			errs = append(errs, fmt.Errorf("network: ASNs: %q is not a number", asn))
		}
	}
	return declared[M]{d, cfg}, errors.Join(errs...)
}

// From returns the metrics of the first network handler of version 1.0 in s, or nil without one.
func From(s *handler.Snapshot) *Metrics { return handler.Find[Metrics](s) }

package findings

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// Config holds thresholds and exceptions. The zero Config is ready to use. A percentage of 0 means
// its default.
type Config struct {
	Off bool `policy:"!enabled" help:"looks for findings"`

	AllowNames    []string `policy:"allow_names" help:"domains without findings about their names"`
	AllowSuffixes []string `policy:"allow_suffixes" help:"domains below these have no findings about their names"`
	AllowClients  []string `policy:"allow_clients" help:"addresses and networks without findings about clients"`

	Warmup     int `policy:"warmup_periods" range:"1-1440" help:"periods before findings that compare with earlier periods"`
	Baseline   int `policy:"baseline_periods" range:"10-1440" help:"earlier periods that are compared with"`
	Resolve    int `policy:"resolve_periods" range:"1-1440" help:"periods without a sign that resolve a finding"`
	Spike      int `policy:"spike_percent" range:"10-100000" help:"growth above the usual traffic that is a spike"`
	MinEvents  int `policy:"min_events" range:"1-1000000000" help:"events of a subject in a period below which nothing is concluded"`
	MinLabels  int `policy:"min_labels" range:"1-1000000" help:"distinct names below a domain in a period for an attack with random labels"`
	MinBytes   int `policy:"min_tunnel_bytes" range:"1-1000000000" help:"bytes of information in names below a domain in a minute for a tunnel"`
	MinNames   int `policy:"min_scan_names" range:"1-1000000" help:"distinct names of one client, or below one domain, in a period for an enumerator"`
	MinTargets int `policy:"min_scan_targets" range:"1-1000000" help:"connection attempts without success in a period for a scan"`
	Failing    int `policy:"failing_percent" range:"1-100" help:"share of failed queries that is trouble of a server"`
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		field     *int
		byDefault int
	}{
		{&c.Warmup, 10}, {&c.Baseline, 60}, {&c.Resolve, 3}, {&c.Spike, 60}, {&c.MinEvents, 200}, {&c.MinLabels, 100},
		{&c.MinBytes, 2000}, {&c.MinNames, 100}, {&c.MinTargets, 100}, {&c.Failing, 20},
	} {
		*d.field = cmp.Or(*d.field, d.byDefault)
	}
	return c
}

// Check returns an error that lists the problems in c, or nil.
func (c Config) Check() error {
	c = c.withDefaults()
	_, err := newAllowed(&c)
	return errors.Join(c.check(), err)
}

func (c Config) check() (err error) {
	if c.Warmup < 1 || c.Baseline < c.Warmup || c.Resolve < 1 {
		err = fmt.Errorf("findings: Warmup %d, Baseline %d and Resolve %d must be positive, and Baseline at least Warmup", c.Warmup, c.Baseline, c.Resolve)
	}
	for _, n := range []int{c.Spike, c.MinEvents, c.MinLabels, c.MinBytes, c.MinNames, c.MinTargets, c.Failing} {
		if n < 0 {
			err = errors.Join(err, fmt.Errorf("findings: a threshold of %d must not be negative", n))
		}
	}
	return err
}

// gap is the longest time without traffic between two periods of one stream. After a longer one,
// baselines start from nothing.
const gap = 30 * time.Minute

package findings

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"visor/handler/options"
)

// Config holds thresholds and exceptions. The zero Config is ready to use. A percentage of 0 means
// its default.
type Config struct {
	Off bool `policy:"!enabled" help:"looks for findings"`

	AllowNames    []string `policy:"allow_names" help:"domains without findings about their names"`
	AllowSuffixes []string `policy:"allow_suffixes" help:"domains below these have no findings about their names"`
	AllowClients  []string `policy:"allow_clients" help:"addresses and networks without findings about clients"`

	Warmup     int `policy:"warmup_periods" range:"1-1440" help:"periods before findings that compare with earlier periods; 10 by default"`
	Baseline   int `policy:"baseline_periods" range:"10-1440" help:"earlier periods that are compared with; 60 by default"`
	Resolve    int `policy:"resolve_periods" range:"1-1440" help:"periods without a sign that resolve a finding; 3 by default"`
	Spike      int `policy:"spike_percent" range:"10-100000" help:"growth above the usual traffic that is a spike; 60 by default"`
	MinEvents  int `policy:"min_events" range:"1-1000000000" help:"events of a subject in a period below which nothing is concluded; 200 by default"`
	MinLabels  int `policy:"min_labels" range:"1-1000000" help:"distinct names below a domain in a period for an attack with random labels; 100 by default"`
	MinBytes   int `policy:"min_tunnel_bytes" range:"1-1000000000" help:"bytes of information in names below a domain in a minute for a tunnel; 2000 by default"`
	MinNames   int `policy:"min_scan_names" range:"1-1000000" help:"distinct names of one client, or below one domain, in a period for an enumerator; 100 by default"`
	MinTargets int `policy:"min_scan_targets" range:"1-1000000" help:"connection attempts without success in a period for a scan; 100 by default"`
	Failing    int `policy:"failing_percent" range:"1-100" help:"share of failed queries that is trouble of a server; 20 by default"`
}

// number is a threshold with its key.
type number struct {
	field     *int
	key       string
	byDefault int
}

func (c *Config) numbers() []number {
	return []number{
		{&c.Warmup, "warmup_periods", 10}, {&c.Baseline, "baseline_periods", 60}, {&c.Resolve, "resolve_periods", 3}, {&c.Spike, "spike_percent", 60},
		{&c.MinEvents, "min_events", 200}, {&c.MinLabels, "min_labels", 100}, {&c.MinBytes, "min_tunnel_bytes", 2000},
		{&c.MinNames, "min_scan_names", 100}, {&c.MinTargets, "min_scan_targets", 100}, {&c.Failing, "failing_percent", 20},
	}
}

func (c Config) withDefaults() Config {
	for _, n := range c.numbers() {
		*n.field = cmp.Or(*n.field, n.byDefault)
	}
	return c
}

// Check returns an error that lists the problems in c with their keys, see [options.Problems], or
// nil.
func (c Config) Check() error {
	c = c.withDefaults()
	if problems := c.problems(); len(problems) > 0 {
		return problems
	}
	return nil
}

func (c *Config) problems() (problems options.Problems) {
	for _, n := range c.numbers() {
		if *n.field < 0 {
			problems = append(problems, options.At(fmt.Errorf("%s must not be negative but is %d", n.key, *n.field), n.key))
		}
	}
	if c.Warmup > c.Baseline {
		problems = append(problems, options.At(fmt.Errorf("warmup_periods is %d, more than baseline_periods, which is %d", c.Warmup, c.Baseline), "warmup_periods"))
	}
	for _, list := range []struct {
		key   string
		items []string
		check func(string) error
	}{
		{"allow_names", c.AllowNames, checkName}, {"allow_suffixes", c.AllowSuffixes, checkName},
		{"allow_clients", c.AllowClients, func(text string) error { _, err := network(text); return err }},
	} {
		for i, item := range list.items {
			if err := list.check(item); err != nil {
				problems = append(problems, options.At(fmt.Errorf("%s: %w", list.key, err), list.key, strconv.Itoa(i)))
			}
		}
	}
	return problems
}

// Unmatched returns the items of AllowClients that match no client, because shown changes addresses
// before they are compared.
func (c *Config) Unmatched(shown func(netip.Addr) netip.Addr) (problems options.Problems) {
	for i, item := range c.AllowClients {
		net, err := network(item)
		if err != nil {
			continue
		}
		if as := shown(net.Addr()); !net.Contains(as) {
			problems = append(problems, options.At(fmt.Errorf("allow_clients: %q matches no client: anonymize shows its clients as %v", item, as), "allow_clients", strconv.Itoa(i)))
		}
	}
	return problems
}

// gap is the longest time without traffic between two periods of one stream. After a longer one,
// baselines start from nothing.
const gap = 30 * time.Minute

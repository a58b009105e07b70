package options_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/handler/options"
)

type common struct {
	Rate int `policy:"rate" range:"1-100,cut" help:"percent"`
}

type config struct {
	common

	Names   []string      `policy:"only_names" help:"counts these names alone"`
	Size    uint16        `policy:"max_size" range:"1-512" help:"bytes"`
	Host    netip.Addr    `policy:"host" help:"an address"`
	Hosts   []netip.Addr  `policy:"hosts" help:"addresses"`
	Hide    bool          `policy:"!show" help:"shows"`
	In      bool          `policy:"ways=in" help:"directions"`
	Out     bool          `policy:"ways=out"`
	Old     bool          `policy:"old" only:"1.0" help:"old"`
	Timeout time.Duration `policy:"ttl_secs,ttl_ms" help:"waits"`
	Inner   struct {
		Table options.Table `policy:"table" help:"a table"`
	}
	Left int // without a key

	_ struct{} `policy:"nothing" help:"has no effect"`
}

func TestRead(t *testing.T) {
	var cfg config
	problems := options.Read(options.Table{
		"rate": uint64(1000), "only_names": []string{"a"}, "max_size": uint64(512), "host": "::1", "hosts": []string{"192.0.2.1"}, "show": false,
		"ways": []string{"out"}, "old": true, "ttl_secs": uint64(3), "table": options.Table{"k": true}, "nothing": "x",
	}, &cfg, "1.0", options.Dialect{})
	require.Empty(t, problems)
	want := config{
		common: common{Rate: 100}, Names: []string{"a"}, Size: 512, Host: netip.IPv6Loopback(), Hosts: []netip.Addr{netip.MustParseAddr("192.0.2.1")},
		Hide: true, Out: true, Old: true, Timeout: 3 * time.Second,
	}
	want.Inner.Table = options.Table{"k": true}
	require.Equal(t, want, cfg)
	require.Empty(t, options.Read(options.Table{"ttl_secs": uint64(3), "ttl_ms": uint64(5)}, &cfg, "1.0", options.Dialect{}))
	require.Equal(t, 5*time.Millisecond, cfg.Timeout, "milliseconds win, as in pktvisor")
}

// All problems are reported: first invalid values in the order of the keys, then unknown keys.
func TestReadProblems(t *testing.T) {
	var cfg config
	var got []string
	for _, p := range options.Read(options.Table{
		"rate": true, "only_names": "a", "max_size": uint64(513), "host": "x", "show": "no", "ways": []string{"up"}, "old": true, "table": uint64(1),
	}, &cfg, "2.0", options.Dialect{}) {
		got = append(got, p.Key()+": "+p.Error())
	}
	require.Equal(t, []string{
		"only_names: wrong type for key: only_names",
		"max_size: max_size must be from 1 to 512 but is 513",
		`host: invalid value for key host: ParseAddr("x"): unable to parse IP`,
		"show: wrong type for key: show",
		`ways: ways has no value "up". Its values are: in, out`,
		"table: wrong type for key: table",
		"rate: wrong type for key: rate",
		"old: old is an invalid/unsupported config or filter. The valid configs/filters are: only_names, max_size, host, hosts, show, ways, ttl_secs, ttl_ms, table, nothing, rate",
	}, got)
}

func TestKeys(t *testing.T) {
	keys := options.Keys[config]("1.0")
	require.Equal(t, []string{"only_names", "max_size", "host", "hosts", "show", "ways", "old", "ttl_secs", "ttl_ms", "table", "nothing", "rate"}, options.Names(keys))
	require.Equal(t, map[string]any{
		"anyOf":       []any{map[string]any{"type": "integer", "minimum": uint64(1), "maximum": uint64(512)}, map[string]any{"type": "string", "pattern": "^[0-9]+$"}},
		"description": "bytes",
	}, keys[1].Schema())
	require.Equal(t, map[string]any{"type": "array", "items": map[string]any{"enum": []string{"in", "out"}}, "description": "directions"}, keys[5].Schema())
	require.Equal(t, "1 to 100", keys[11].Range())
}

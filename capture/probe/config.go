package probe

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Test is how targets are asked.
type Test uint8

// The tests.
const (
	Ping    Test = iota // ICMP echo (RFC 792, RFC 4443 section 4)
	Connect             // opening a TCP connection, which is closed at once
)

// Config configures a Source. Targets must be set.
type Config struct {
	Test           Test
	Targets        []Target
	Interval       time.Duration // from test to test of a target; 0 means 5 s
	Timeout        time.Duration // for a look-up, and for a connection; at most Interval; 0 means 2 s. For echo replies, see netprobe.Config
	Packets        int           // of a Ping test; 0 means 1
	PacketInterval time.Duration // between these; 0 means 25 ms. All must go in one Interval
	Payload        int           // bytes of an echo request, 8 to 65500; 0 means 48
	Resolver       *net.Resolver // nil means the system's
}

// Target is who is asked.
type Target struct {
	Name    string // what events call it
	Host    string // an address or a name, which is looked up for every test
	Port    uint16 // of Connect
	Version int    // 4 or 6: of IP; 0 takes what there is, version 4 first in Ping
}

const (
	minPayload = 8
	maxPayload = 65500
)

func (cfg Config) withDefaults() Config {
	cfg.Interval = cmp.Or(cfg.Interval, 5*time.Second)
	cfg.Timeout = cmp.Or(cfg.Timeout, 2*time.Second)
	cfg.Packets = cmp.Or(cfg.Packets, 1)
	cfg.PacketInterval = cmp.Or(cfg.PacketInterval, 25*time.Millisecond)
	cfg.Payload = max(cmp.Or(cfg.Payload, 48), minPayload)
	if cfg.Resolver == nil {
		cfg.Resolver = net.DefaultResolver
	}
	return cfg
}

// Validate returns all that is wrong with cfg, in the words of the reference. New does the same.
func (cfg Config) Validate() error {
	cfg = cfg.withDefaults()
	var errs []error
	fail := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	interval := cfg.Interval.Milliseconds()
	fail(cfg.Interval < 0 || cfg.Timeout < 0 || cfg.PacketInterval < 0, "probe: intervals and timeouts must not be negative")
	fail(cfg.Timeout > cfg.Interval, "timeout_msec [%d] cannot be greater than interval_msec [%d]", cfg.Timeout.Milliseconds(), interval)
	fail(cfg.Packets <= 0, "packets_per_test needs to be greater than 0")
	fail(time.Duration(cfg.Packets)*cfg.PacketInterval > cfg.Interval,
		"packets_per_test [%d] times packets_interval_msec [%d] cannot be greater than packets_interval_msec [%d]", cfg.Packets, cfg.PacketInterval.Milliseconds(), interval)
	fail(cfg.Payload > maxPayload, "packet_payload_size was set to %d but max supported size is %d", cfg.Payload, maxPayload)
	fail(len(cfg.Targets) == 0, "no targets specified")
	for _, t := range cfg.Targets {
		errs = append(errs, t.validate(cfg.Test))
	}
	return errors.Join(errs...)
}

func (t *Target) validate(test Test) error {
	addr, err := netip.ParseAddr(t.Host)
	switch {
	case t.Host == "":
		return fmt.Errorf("'%s' does not have key 'target' which is required", t.Name)
	case test == Connect && t.Port == 0:
		return fmt.Errorf("'%s' does not have key 'port' which is required", t.Name)
	case t.Version != 0 && t.Version != 4 && t.Version != 6:
		return errors.New("ip_version must be 4 or 6")
	case err == nil && addr.Is4() && t.Version == 6:
		return fmt.Errorf("target %s is IPv4 but ip_version is set to 6", t.Host)
	case err == nil && addr.Is6() && t.Version == 4:
		return fmt.Errorf("target %s is IPv6 but ip_version is set to 4", t.Host)
	case err != nil && t.Host != "localhost" && !strings.Contains(t.Host, "."):
		return fmt.Errorf("%s is an invalid/unsupported DNS", t.Host)
	}
	return nil
}

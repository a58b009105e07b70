package policy

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"visor/capture/probe"
)

// FlowInput is what the configuration of an input of type "flow" says.
type FlowInput struct {
	Address string // host:port to listen on; "" if File is set
	File    string // capture file to read
}

// ParseFlowInput reads the configuration of an input of type "flow". Its flow_type is checked, but does not matter: what a datagram is,
// it says itself.
func ParseFlowInput(opts Options) (FlowInput, error) {
	r := &Reader{opts: opts}
	typ := r.Text("flow_type")
	in := FlowInput{File: r.Text("pcap_file")}
	bind, port := r.Text("bind"), r.Int("port", 1<<16)
	r.known = []string{"port", "bind", "flow_type", "pcap_file"}
	if err := r.finish(); err != nil {
		return FlowInput{}, err
	}
	if !slices.Contains([]string{"", "sflow", "netflow", "ipfix"}, typ) {
		return FlowInput{}, fmt.Errorf(`invalid flow_type "%s". Supported types: "sflow", "netflow" and "ipfix"`, typ)
	}
	if in.File != "" {
		return in, nil
	}
	if bind == "" || port == 0 {
		return FlowInput{}, errors.New("flow config must specify port and bind")
	}
	if _, err := netip.ParseAddr(bind); err != nil || port > 0xFFFF {
		return FlowInput{}, fmt.Errorf("flow config: bind %q and port %d must be an IP address and a port number", bind, port)
	}
	in.Address = net.JoinHostPort(bind, strconv.Itoa(port))
	return in, nil
}

// ParseProbeInput reads the configuration of an input of type "netprobe".
func ParseProbeInput(opts Options) (probe.Config, error) {
	r := &Reader{opts: opts}
	cfg := probe.Config{
		Test:           probeTest(r),
		Interval:       millis(r, "interval_msec"),
		Timeout:        millis(r, "timeout_msec"),
		Packets:        count(r, "packets_per_test"),
		PacketInterval: millis(r, "packets_interval_msec"),
		Payload:        int(value[uint64](r, "packet_payload_size")),
	}
	targets := value[Options](r, "targets")
	if err := r.finish(); err != nil {
		return cfg, err
	}
	if _, given := opts["test_type"]; !given {
		return cfg, fmt.Errorf("'test_type' config not specified. %s", validTests)
	}
	for _, name := range slices.Sorted(maps.Keys(targets)) {
		entry, _ := targets[name].(Options)
		tr := &Reader{opts: entry}
		cfg.Targets = append(cfg.Targets, probe.Target{Name: name, Host: tr.Text("target"), Port: uint16(tr.Int("port", 0xFFFF)), Version: tr.Int("ip_version", 99)})
		if tr.err != nil {
			return cfg, tr.err
		}
	}
	return cfg, cfg.Validate()
}

// millis returns the milliseconds at key, or 0.
func millis(r *Reader, key string) time.Duration {
	return time.Duration(r.Int(key, 1<<40)) * time.Millisecond
}

// count returns the number at key, -1 if it says 0, or 0 if it is missing.
func count(r *Reader, key string) int {
	if v, given := r.opts[key]; given && v == uint64(0) {
		r.look(key)
		return -1
	}
	return r.Int(key, 1<<30)
}

const validTests = "The valid test types are: http, ping, tcp, udp"

// probeTest reads the type of a test.
func probeTest(r *Reader) probe.Test {
	switch typ, given := r.look("test_type"); typ {
	case "tcp":
		return probe.Connect
	case "http", "udp":
		r.fail("Test type currently not supported")
	default:
		if given && typ != "ping" {
			r.fail("%v is an invalid/unsupported test type. %s", typ, validTests)
		}
	}
	return probe.Ping
}

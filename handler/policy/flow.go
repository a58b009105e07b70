package policy

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"visor/handler"
	"visor/handler/flow"
)

func buildFlow(s handler.Settings, r *Reader, env Env) (handler.Handler, error) {
	cfg := flow.Config{Geo: env.Geo, Services: env.Services, MaxBytes: env.FlowBytes}
	names, rates := deviceMap(r)
	cfg.Sampling = rates
	if enrich, given := r.opts["enrichment"]; !given || enrich != false {
		cfg.Names = names
	}
	r.Flag("enrichment")
	cfg.OnlyInterfaces = deviceInterfaces(r)
	cfg.OnlyNets = r.List("only_ips")
	cfg.OnlyPorts = ranges(r, r.List("only_ports"), 65535, "FlowHandler: invalid 'only_ports' filter value: %s")
	for _, dir := range r.List("only_directions") {
		switch dir {
		case "in":
			cfg.OnlyIn = true
		case "out":
			cfg.OnlyOut = true
		default:
			r.fail("FlowStreamHandler: only_directions filter contained an invalid/unsupported direction: %s", dir)
		}
	}
	cfg.GeoNotFound, cfg.ASNNotFound = r.Flag("geoloc_notfound"), r.Flag("asn_notfound")
	cfg.Summary = flow.Summary{ByASN: r.Flag("summarize_ips_by_asn"), Subnets: r.List("subnets_for_summarization")}
	cfg.Summary.ExceptASNs = r.List("exclude_asns_from_summarization")
	cfg.Summary.ExceptUnknowns = r.Flag("exclude_unknown_asns_from_summarization")
	cfg.Summary.Except = r.List("exclude_ips_from_summarization")
	if scale, given := r.opts["sample_rate_scaling"]; given {
		cfg.NoScaling = scale == false
	}
	r.Flag("sample_rate_scaling")
	r.look("recorded_stream")
	if err := common(&s, r); err != nil {
		return nil, err
	}
	cfg.Settings = s
	return flow.New(cfg)
}

// deviceMap reads what devices and interfaces are called, and how devices sample that do not state it.
func deviceMap(r *Reader) (names map[netip.Addr]flow.DeviceName, rates map[netip.Addr]uint32) {
	names, rates = make(map[netip.Addr]flow.DeviceName), make(map[netip.Addr]uint32)
	devices := value[Options](r, "device_map")
	for _, key := range slices.Sorted(maps.Keys(devices)) {
		addr, err := netip.ParseAddr(key)
		if err != nil {
			r.fail("FlowHandler: 'device_map' config has an invalid device IP: %s", key)
			return nil, nil
		}
		device, _ := devices[key].(Options)
		name, ok := device["name"]
		if !ok {
			r.fail("FlowHandler: 'device_map' config with device IP %s does not have 'name' key", key)
			return nil, nil
		}
		interfaces, ok := device["interfaces"].(Options)
		if !ok {
			r.fail("FlowHandler: 'device_map' config with device IP %s does not have 'interfaces' key", key)
			return nil, nil
		}
		names[addr] = flow.DeviceName{Name: fmt.Sprint(name), Interfaces: interfaceNames(r, key, interfaces)}
		if rate := samplingRate(r, key, device); rate > 0 {
			rates[addr] = rate
		}
	}
	return names, rates
}

func interfaceNames(r *Reader, device string, interfaces Options) map[uint32]string {
	out := make(map[uint32]string)
	for _, key := range slices.Sorted(maps.Keys(interfaces)) {
		index, err := strconv.ParseUint(key, 10, 32)
		if err != nil {
			r.fail("FlowHandler: 'device_map' config with device IP %s has an invalid interface index: %s", device, key)
			return nil
		}
		entry, _ := interfaces[key].(Options)
		name, ok := entry["name"]
		if !ok {
			r.fail("FlowHandler: 'device_map' config with device IP %s does not have 'name' key", device)
			return nil
		}
		out[uint32(index)] = fmt.Sprint(name)
	}
	return out
}

// samplingRate reads the rate of a device whose records state none; pktvisor does not have the key. 0 is none.
func samplingRate(r *Reader, key string, device Options) uint32 {
	value, given := device["sampling_rate"]
	if !given {
		return 0
	}
	rate, err := strconv.ParseUint(fmt.Sprint(value), 10, 32)
	if err != nil {
		r.fail("FlowHandler: 'device_map' config with device IP %s has an invalid sampling_rate: %v", key, value)
	}
	return uint32(rate)
}

// deviceInterfaces reads which interfaces of which devices are counted; nil is all.
func deviceInterfaces(r *Reader) map[netip.Addr][]flow.Range {
	devices := value[Options](r, "only_device_interfaces")
	if devices == nil {
		return nil
	}
	out := make(map[netip.Addr][]flow.Range)
	for _, key := range slices.Sorted(maps.Keys(devices)) {
		addr, err := netip.ParseAddr(key)
		if err != nil {
			r.fail("FlowHandler: 'only_device_interfaces' filter has an invalid device IP: %s", key)
			return nil
		}
		list, ok := devices[key].([]string)
		if !ok {
			r.fail("wrong type for key: %s", key)
			return nil
		}
		out[addr] = ranges(r, list, 1<<32-1, "FlowHandler: invalid 'only_device_interfaces' filter interface value: %s")
	}
	return out
}

// ranges reads numbers, ranges of them as "a-b", and "*" for all up to most.
func ranges(r *Reader, texts []string, most uint32, complaint string) (out []flow.Range) {
	for _, text := range texts {
		if text == "*" {
			out = append(out, flow.Range{Last: most})
			continue
		}
		first, last, isRange := strings.Cut(text, "-")
		if !isRange {
			last = first
		}
		from, err := strconv.ParseUint(strings.TrimSpace(first), 10, 32)
		to, errTo := strconv.ParseUint(strings.TrimSpace(last), 10, 32)
		if err != nil || errTo != nil || from > to || to > uint64(most) {
			r.fail(complaint, text)
			return nil
		}
		out = append(out, flow.Range{First: uint32(from), Last: uint32(to)})
	}
	return out
}

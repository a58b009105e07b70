package policy

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"visor/decode"
	"visor/handler/flow"
	"visor/handler/options"
)

// networks checks networks in CIDR form.
func networks(v any) (any, error) {
	list, ok := v.([]string)
	if !ok {
		return nil, options.ErrType
	}
	_, err := decode.ParseHostNets(strings.Join(list, ","))
	return list, err
}

func subnets(v any) (any, error) {
	list, err := networks(v)
	if err != nil {
		return nil, err
	}
	wild := make(map[bool]bool) // by IP version; true is IPv4
	for _, text := range v.([]string) {
		p, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil || !p.Addr().IsUnspecified() {
			continue
		}
		if wild[p.Addr().Is4()] {
			return nil, errors.New("FlowHandler: 'subnets_for_summarization' only allows one ipv4 and one ipv6 wildcard")
		}
		wild[p.Addr().Is4()] = true
	}
	return list, nil
}

// systems checks numbers of autonomous systems.
func systems(v any) (any, error) {
	list, ok := v.([]string)
	if !ok {
		return nil, options.ErrType
	}
	for _, text := range list {
		if _, err := strconv.ParseUint(text, 10, 32); err != nil {
			return nil, fmt.Errorf("FlowHandler: invalid ASN in the exclusions from summarization: %s", text)
		}
	}
	return list, nil
}

// deviceMap reads the names of devices and interfaces, and the sampling rates of devices that do
// not export one.
func deviceMap(v any) (any, error) {
	devices, ok := v.(Options)
	if !ok {
		return nil, options.ErrType
	}
	out := make(map[netip.Addr]flow.DeviceConfig)
	for _, key := range slices.Sorted(maps.Keys(devices)) {
		addr, err := netip.ParseAddr(key)
		if err != nil {
			return nil, fmt.Errorf("FlowHandler: 'device_map' config has an invalid device IP: %s", key)
		}
		device, _ := devices[key].(Options)
		if out[addr], err = readDevice(key, device); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func readDevice(key string, device Options) (d flow.DeviceConfig, err error) {
	name, ok := device["name"]
	if !ok {
		return d, fmt.Errorf("FlowHandler: 'device_map' config with device IP %s does not have 'name' key", key)
	}
	interfaces, ok := device["interfaces"].(Options)
	if !ok {
		return d, fmt.Errorf("FlowHandler: 'device_map' config with device IP %s does not have 'interfaces' key", key)
	}
	d.Name = fmt.Sprint(name)
	if d.Interfaces, err = interfaceNames(key, interfaces); err == nil {
		d.Sampling, err = samplingRate(key, device)
	}
	return d, err
}

func interfaceNames(device string, interfaces Options) (map[uint32]string, error) {
	out := make(map[uint32]string)
	for _, key := range slices.Sorted(maps.Keys(interfaces)) {
		index, err := strconv.ParseUint(key, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("FlowHandler: 'device_map' config with device IP %s has an invalid interface index: %s", device, key)
		}
		entry, _ := interfaces[key].(Options)
		name, ok := entry["name"]
		if !ok {
			return nil, fmt.Errorf("FlowHandler: 'device_map' config with device IP %s does not have 'name' key", device)
		}
		out[uint32(index)] = fmt.Sprint(name)
	}
	return out, nil
}

// samplingRate reads the rate of a device whose records lack one. pktvisor lacks this key. 0 means
// unset.
func samplingRate(key string, device Options) (uint32, error) {
	value, given := device["sampling_rate"]
	if !given {
		return 0, nil
	}
	rate, err := strconv.ParseUint(fmt.Sprint(value), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("FlowHandler: 'device_map' config with device IP %s has an invalid sampling_rate: %v", key, value)
	}
	return uint32(rate), nil
}

// deviceInterfaces reads the interfaces that count, by device.
func deviceInterfaces(v any) (any, error) {
	devices, ok := v.(Options)
	if !ok {
		return nil, options.ErrType
	}
	out := make(map[netip.Addr][]flow.Range)
	for _, key := range slices.Sorted(maps.Keys(devices)) {
		addr, err := netip.ParseAddr(key)
		if err != nil {
			return nil, fmt.Errorf("FlowHandler: 'only_device_interfaces' filter has an invalid device IP: %s", key)
		}
		if _, ok := devices[key].([]string); !ok {
			return nil, fmt.Errorf("wrong type for key: %s", key)
		}
		const complaint = "FlowHandler: invalid 'only_device_interfaces' filter interface value: %s"
		if out[addr], err = ranges(devices[key], 1<<32-1, complaint); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func ports(v any) (any, error) {
	return ranges(v, 65535, "FlowHandler: invalid 'only_ports' filter value: %s")
}

// ranges reads numbers, ranges "a-b", and "*" for all numbers up to most.
func ranges(v any, most uint32, complaint string) (out []flow.Range, err error) {
	list, ok := v.([]string)
	if !ok {
		return nil, options.ErrType
	}
	for _, text := range list {
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
			return nil, fmt.Errorf(complaint, text)
		}
		out = append(out, flow.Range{First: uint32(from), Last: uint32(to)})
	}
	return out, nil
}

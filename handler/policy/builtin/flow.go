package builtin

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"visor/handler/flow"
	"visor/handler/options"
)

// networks checks networks in CIDR form.
func networks(v any) (any, error) {
	return options.Each(v, func(text string) (string, error) {
		_, err := ParseNetworks(text)
		return text, err
	})
}

func subnets(v any) (any, error) {
	wild := make(map[bool]bool) // by IP version; true is IPv4
	return options.Each(v, func(text string) (string, error) {
		if _, err := ParseNetworks(text); err != nil {
			return "", err
		}
		p, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil || !p.Addr().IsUnspecified() {
			return text, nil
		}
		if wild[p.Addr().Is4()] {
			return "", errors.New("FlowHandler: 'subnets_for_summarization' only allows one ipv4 and one ipv6 wildcard")
		}
		wild[p.Addr().Is4()] = true
		return text, nil
	})
}

// systems checks numbers of autonomous systems.
func systems(v any) (any, error) {
	return options.Each(v, func(text string) (string, error) {
		if _, err := strconv.ParseUint(text, 10, 32); err != nil {
			return "", fmt.Errorf("FlowHandler: invalid ASN in the exclusions from summarization: %s", text)
		}
		return text, nil
	})
}

// deviceMap reads the names of devices and interfaces, and the sampling rates of devices that do
// not export one.
func deviceMap(v any) (any, error) {
	return options.Entries(v, func(key string, value any) (addr netip.Addr, d flow.DeviceConfig, err error) {
		if addr, err = netip.ParseAddr(key); err != nil {
			return addr, d, fmt.Errorf("FlowHandler: 'device_map' config has an invalid device IP: %s", key)
		}
		device, _ := value.(options.Table)
		d, err = readDevice(key, device)
		return addr, d, err
	})
}

func readDevice(key string, device options.Table) (d flow.DeviceConfig, err error) {
	name, ok := device["name"]
	if !ok {
		return d, fmt.Errorf("FlowHandler: 'device_map' config with device IP %s does not have 'name' key", key)
	}
	d.Name = fmt.Sprint(name)
	if _, ok := device["interfaces"].(options.Table); !ok {
		return d, fmt.Errorf("FlowHandler: 'device_map' config with device IP %s does not have 'interfaces' key", key)
	}
	_, problems := options.Entries(device, func(field string, value any) (string, struct{}, error) {
		var err error
		switch field {
		case "interfaces":
			d.Interfaces, err = interfaceNames(key, value)
		case "sampling_rate":
			d.Sampling, err = samplingRate(key, value)
		}
		return field, struct{}{}, err
	})
	return d, problems
}

func interfaceNames(device string, v any) (map[uint32]string, error) {
	return options.Entries(v, func(key string, value any) (uint32, string, error) {
		index, err := strconv.ParseUint(key, 10, 32)
		if err != nil {
			return 0, "", fmt.Errorf("FlowHandler: 'device_map' config with device IP %s has an invalid interface index: %s", device, key)
		}
		entry, _ := value.(options.Table)
		name, ok := entry["name"]
		if !ok {
			return 0, "", fmt.Errorf("FlowHandler: 'device_map' config with device IP %s does not have 'name' key", device)
		}
		return uint32(index), fmt.Sprint(name), nil
	})
}

// samplingRate reads the rate of a device whose records lack one. pktvisor lacks this key.
func samplingRate(device string, value any) (uint32, error) {
	rate, err := strconv.ParseUint(fmt.Sprint(value), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("FlowHandler: 'device_map' config with device IP %s has an invalid sampling_rate: %v", device, value)
	}
	return uint32(rate), nil
}

// deviceInterfaces reads the interfaces that count, by device.
func deviceInterfaces(v any) (any, error) {
	return options.Entries(v, func(key string, value any) (addr netip.Addr, out []flow.Range, err error) {
		if addr, err = netip.ParseAddr(key); err != nil {
			return addr, nil, fmt.Errorf("FlowHandler: 'only_device_interfaces' filter has an invalid device IP: %s", key)
		}
		out, err = ranges(value, 1<<32-1, "FlowHandler: invalid 'only_device_interfaces' filter interface value: %s")
		return addr, out, err
	})
}

func ports(v any) (any, error) {
	return ranges(v, 65535, "FlowHandler: invalid 'only_ports' filter value: %s")
}

// ranges reads numbers, ranges "a-b", and "*" for all numbers up to most.
func ranges(v any, most uint32, complaint string) ([]flow.Range, error) {
	return options.Each(v, func(text string) (flow.Range, error) {
		if text == "*" {
			return flow.Range{Last: most}, nil
		}
		first, last, isRange := strings.Cut(text, "-")
		if !isRange {
			last = first
		}
		from, err := strconv.ParseUint(strings.TrimSpace(first), 10, 32)
		to, errTo := strconv.ParseUint(strings.TrimSpace(last), 10, 32)
		if err != nil || errTo != nil || from > to || to > uint64(most) {
			return flow.Range{}, fmt.Errorf(complaint, text)
		}
		return flow.Range{First: uint32(from), Last: uint32(to)}, nil
	})
}

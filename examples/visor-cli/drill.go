package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// leaseSeconds is how long the agent keeps an unused policy.
const leaseSeconds = 15

// drill is a drill-down into an entry. A temporary policy of the agent counts only its traffic.
type drill struct {
	title  string
	policy string
}

// plan describes the traffic that a policy counts.
type plan struct {
	filter  map[string]any // filter of the input
	modules []any          // sequence of handlers
}

// look returns the plan for an entry of a policy's tap.
type look func(name, inputType string) (plan, error)

type object = map[string]any

// module returns a handler. Version 2.0 of net includes addresses of all hosts, local or not.
func module(name, typ, version string, filter object) object {
	m := object{"type": typ, "require_version": version}
	if filter != nil {
		m["filter"] = filter
	}
	if typ == "dns" {
		m["metric_groups"] = object{"enable": []string{"top_ports"}}
	}
	return object{name: m}
}

// dnsFirst counts the DNS messages that pass a filter, and their packets.
func dnsFirst(filter object) plan {
	return plan{modules: []any{module("names", "dns", "1.0", filter), module("hosts", "net", "2.0", nil)}}
}

// netFirst counts the packets that pass a filter, and the DNS messages in them.
func netFirst(filter object) plan {
	return plan{modules: []any{module("hosts", "net", "2.0", filter), module("names", "dns", "1.0", nil)}}
}

func behindName(name, _ string) (plan, error) {
	if name == "" {
		return plan{}, errors.New("every name is below the root")
	}
	return dnsFirst(object{"only_qname_suffix": []string{strings.TrimSuffix(name, ".")}}), nil
}

func behindType(name, _ string) (plan, error) {
	return dnsFirst(object{"only_qtype": []string{name}}), nil
}

func behindRCode(name, _ string) (plan, error) {
	return dnsFirst(object{"only_rcode": []string{name}}), nil
}

func behindAddress(name, inputType string) (plan, error) {
	addr, err := netip.ParseAddr(name)
	if err != nil {
		return plan{}, fmt.Errorf("%q is not an address", name)
	}
	p := netFirst(nil)
	if inputType == "dnstap" {
		p.filter = object{"only_hosts": []string{netip.PrefixFrom(addr, addr.BitLen()).String()}}
	} else {
		p.filter = object{"bpf": "host " + addr.String()}
	}
	return p, nil
}

func behindPort(name, inputType string) (plan, error) {
	if inputType == "dnstap" {
		return plan{}, errors.New("dnstap cannot be filtered by port")
	}
	p := netFirst(nil)
	p.filter = object{"bpf": "udp port " + name}
	return p, nil
}

func behindPlace(name, _ string) (plan, error) {
	if name == "Unknown" {
		return netFirst(object{"geoloc_notfound": true}), nil
	}
	return netFirst(object{"only_geoloc_prefix": []string{name}}), nil
}

// behindASN parses the number in front of the name of an organisation.
func behindASN(name, _ string) (plan, error) {
	if name == "Unknown" {
		return netFirst(object{"asn_notfound": true}), nil
	}
	number, _, _ := strings.Cut(name, "/")
	if strings.Trim(number, "0123456789") != "" || number == "" {
		return plan{}, fmt.Errorf("%q has no AS number", name)
	}
	return netFirst(object{"only_asn_number": []string{number}}), nil
}

// document returns the policy for a drill-down, on the first tap of the original policy.
func (p *plan) document(name string, info policyInfo) ([]byte, error) {
	taps := sortedKeys(info.Taps)
	if len(taps) == 0 {
		return nil, errors.New("the policy has no tap that is still there")
	}
	input := object{"tap": taps[0], "input_type": info.Taps[taps[0]].InputType}
	if filter := p.within(info, taps[0]); len(filter) > 0 {
		input["filter"] = filter
	}
	return json.Marshal(object{"visor": object{"policies": object{name: object{
		"kind": "collection", "config": object{"lease_secs": leaseSeconds}, "input": input, "handlers": object{"modules": p.modules},
	}}}})
}

// within adds the filter of the original policy, because a drill-down stays within its traffic.
func (p *plan) within(info policyInfo, tap string) object {
	filter := object{}
	for name, in := range info.Input {
		if former, ok := in.Module.Config["bpf"].(string); ok && former != "" && strings.HasPrefix(name, tap+"-") {
			filter["bpf"] = former
		}
	}
	for key, value := range p.filter {
		if former, ok := filter[key].(string); ok {
			value = fmt.Sprintf("(%s) and (%s)", former, value)
		}
		filter[key] = value
	}
	return filter
}

// inputType returns the type of the tap that document uses.
func (info policyInfo) inputType() string {
	for _, name := range sortedKeys(info.Taps) {
		return info.Taps[name].InputType
	}
	return ""
}

// newDrillName returns a unique name.
func newDrillName() string { return "drill-" + strings.ToLower(rand.Text()[:8]) }

// Package drill makes temporary policies that count only a part of the traffic of another policy,
// to show what is behind a name, an address or a network. Terminal clients and the agent's own API
// share it. The agent ends such a policy when no client queries it for [LeaseSeconds], when the
// original policy ends, and when one that shows addresses in another way replaces that:
//
//	plan, err := drill.Suffix("example.com", "pcap")
//	...
//	base := drill.Base{Policy: "all", Tap: "eth0", InputType: "pcap"}
//	doc, err := plan.Document(drill.NewName(), base)
//
// The documents name only types of pktvisor, so an agent of pktvisor accepts them too. Only
// [Asked], and names and autonomous systems of dnstap, need visor's agent: pktvisor's filters of
// these let all dnstap messages pass, and its handlers do not hand them on.
package drill

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"strings"
)

// LeaseSeconds is how long the agent keeps an unused policy.
const LeaseSeconds = 15

// Prefix begins the names of these policies.
const Prefix = "drill-"

// Plan describes the traffic that a policy counts.
type Plan struct {
	Filter  map[string]any // filter of the input
	Modules []any          // sequence of handlers
	Apart   bool           // each handler counts all of the traffic, not what the former passes
	Periods int            // number of periods kept; 0 means the agent's default
}

// Look returns the plan for an entry of a list. It returns an error if the entry is not a valid one
// or cannot be selected from an input of this type.
type Look func(entry, inputType string) (Plan, error)

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
func dnsFirst(filter object) Plan {
	return Plan{Modules: []any{module("names", "dns", "1.0", filter), module("hosts", "net", "2.0", nil)}}
}

// netFirst counts the packets that pass a filter, and the DNS messages in them.
func netFirst(filter object) Plan {
	return Plan{Modules: []any{module("hosts", "net", "2.0", filter), module("names", "dns", "1.0", nil)}}
}

// dnstap is the type of input whose messages only the module asks can select.
const dnstap = "dnstap"

// askedFirst counts the dnstap messages that pass a filter of the module asks.
func askedFirst(filter object) Plan {
	return Plan{Modules: []any{module("asks", "asks", "1.0", filter), module("names", "dns", "1.0", nil)}}
}

// packetsOnly returns an error if dnstap messages cannot be selected by something.
func packetsOnly(inputType, by string) error {
	if inputType == dnstap {
		return fmt.Errorf("dnstap cannot be filtered by %s", by)
	}
	return nil
}

// Suffix looks behind a name: the messages for it and for names that end with it, or of dnstap for
// names below it.
func Suffix(entry, inputType string) (Plan, error) {
	switch {
	case entry == "":
		return Plan{}, errors.New("every name is below the root")
	case inputType == dnstap: // a part of a name has a dot in front
		return askedFirst(object{"only_qname_suffix": []string{strings.TrimPrefix(entry, ".")}}), nil
	}
	return dnsFirst(object{"only_qname_suffix": []string{strings.TrimSuffix(entry, ".")}}), nil
}

// QType looks behind a query type, as AAAA.
func QType(entry, inputType string) (Plan, error) {
	return dnsFirst(object{"only_qtype": []string{entry}}), packetsOnly(inputType, "type")
}

// RCode looks behind a response code, as NXDOMAIN.
func RCode(entry, inputType string) (Plan, error) {
	return dnsFirst(object{"only_rcode": []string{entry}}), packetsOnly(inputType, "response code")
}

// Address looks behind an address or a network.
func Address(entry, inputType string) (Plan, error) {
	net, err := netip.ParsePrefix(entry)
	bpf := "net " + entry
	if err != nil {
		addr, err := netip.ParseAddr(entry)
		if err != nil {
			return Plan{}, fmt.Errorf("%q is not an address", entry)
		}
		net, bpf = netip.PrefixFrom(addr, addr.BitLen()), "host "+addr.String()
	}
	p := netFirst(nil)
	if inputType == dnstap {
		p.Filter, p.Apart = object{"only_hosts": []string{net.String()}}, true
	} else {
		p.Filter = object{"bpf": bpf}
	}
	return p, nil
}

// Port looks behind a UDP port.
func Port(entry, inputType string) (Plan, error) {
	p := netFirst(nil)
	p.Filter = object{"bpf": "udp port " + entry}
	return p, packetsOnly(inputType, "port")
}

// Place looks behind a location, as EU/Sweden.
func Place(entry, inputType string) (Plan, error) {
	if entry == "Unknown" {
		return netFirst(object{"geoloc_notfound": true}), packetsOnly(inputType, "location")
	}
	return netFirst(object{"only_geoloc_prefix": []string{entry}}), packetsOnly(inputType, "location")
}

// ASN looks behind an autonomous system. It parses the number in front of the organisation's name.
func ASN(entry, inputType string) (Plan, error) {
	if entry == "Unknown" {
		return netFirst(object{"asn_notfound": true}), packetsOnly(inputType, "unknown system")
	}
	number, _, _ := strings.Cut(entry, "/")
	if strings.Trim(number, "0123456789") != "" || number == "" {
		return Plan{}, fmt.Errorf("%q has no AS number", entry)
	}
	filter := object{"only_asn_number": []string{number}}
	if inputType == dnstap {
		return askedFirst(filter), nil
	}
	return netFirst(filter), nil
}

// Asked counts which clients ask for which names. The filter holds options of the module asks, an
// analyzer that pktvisor does not have. All time is one period.
func Asked(filter map[string]any) Plan {
	return Plan{Periods: 1, Modules: []any{module("asks", "asks", "1.0", filter), module("names", "dns", "1.0", nil), module("hosts", "net", "2.0", nil)}}
}

// Base is the traffic of the original policy, within which a drill-down stays.
type Base struct {
	Tap       string
	InputType string
	Policy    string // name of the original policy
	BPF       string // its filter; "" for all
	// the section anonymize of the original policy, which the drill-down keeps; nil without one
	Anonymize map[string]any
	// the section of the tap, which the agent applies to all of its policies; nil without one
	TapAnonymize map[string]any
}

// Entry returns what to look behind for an entry of a list. An address of a policy that cuts
// addresses is its network. It returns an error if the entry is an encrypted address, which no
// packet has.
func (b *Base) Entry(entry string) (string, error) {
	section := b.TapAnonymize
	if section == nil {
		section = b.Anonymize
	}
	addr, err := netip.ParseAddr(entry)
	if err != nil || section == nil {
		return entry, nil
	}
	if _, encrypted := section["key_file"]; encrypted {
		return "", errors.New("the policy encrypts addresses")
	}
	key, bits := "v4", 24
	if addr.Is6() {
		key, bits = "v6", 48
	}
	if n, given := section[key].(float64); given { // from JSON
		bits = int(n)
	}
	return netip.PrefixFrom(addr, bits).String(), nil
}

// Document returns the policy of a plan in JSON.
func (p *Plan) Document(name string, base Base) ([]byte, error) {
	input := object{"tap": base.Tap, "input_type": base.InputType}
	if filter := p.within(base.BPF); len(filter) > 0 {
		input["filter"] = filter
	}
	handlers := object{"modules": p.Modules}
	if p.Apart {
		modules := object{}
		for _, m := range p.Modules {
			maps.Copy(modules, m.(object))
		}
		handlers["modules"] = modules
	}
	if p.Periods > 0 {
		handlers["window_config"] = object{"num_periods": p.Periods}
	}
	config := object{"lease_secs": LeaseSeconds, "original": base.Policy}
	policy := object{"kind": "collection", "config": config, "input": input, "handlers": handlers}
	if base.Anonymize != nil {
		policy["anonymize"] = base.Anonymize
	}
	return json.Marshal(object{"visor": object{"policies": object{name: policy}}})
}

// within returns the filter of the plan together with the one of the original policy.
func (p *Plan) within(bpf string) object {
	filter := object{}
	maps.Copy(filter, p.Filter)
	own, both := filter["bpf"].(string)
	switch {
	case bpf == "":
	case both:
		filter["bpf"] = fmt.Sprintf("(%s) and (%s)", bpf, own)
	default:
		filter["bpf"] = bpf
	}
	return filter
}

// NewName returns a unique name for a policy.
func NewName() string { return Prefix + strings.ToLower(rand.Text()[:8]) }

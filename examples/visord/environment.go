package main

import (
	"cmp"
	"strconv"

	"visor/handler/policy"
)

// tapsOfEnvironment returns the taps that environment variables define. Orb's images use the same
// variables; their entry points turn them into a configuration file.
func tapsOfEnvironment(env func(string) string) (taps []policy.Tap) {
	for _, typ := range []struct{ prefix, flow, port string }{{"PKTVISOR_NETFLOW", "netflow", "2055"}, {"PKTVISOR_SFLOW", "sflow", "6343"}} {
		if env(typ.prefix) == "true" || env("PKTVISOR_FLOW_TYPE") == typ.flow {
			config := policy.Options{"flow_type": typ.flow, "bind": cmp.Or(env(typ.prefix+"_BIND_ADDRESS"), "0.0.0.0")}
			if port, err := strconv.ParseUint(cmp.Or(env(typ.prefix+"_PORT_DEFAULT"), typ.port), 10, 16); err == nil {
				config["port"] = port
			}
			taps = append(taps, policy.Tap{Name: "default_" + typ.flow, InputType: "flow", Config: config})
		}
	}
	if env("PKTVISOR_DNSTAP") == "true" {
		address := cmp.Or(env("PKTVISOR_DNSTAP_BIND_ADDRESS"), "0.0.0.0") + ":" + cmp.Or(env("PKTVISOR_DNSTAP_PORT_DEFAULT"), "6000")
		taps = append(taps, policy.Tap{Name: "default_dnstap", InputType: "dnstap", Config: policy.Options{"tcp": address}})
	}
	if iface := env("PKTVISOR_PCAP_IFACE_DEFAULT"); iface != "" || env("PKTVISOR_PCAP") == "true" {
		config := policy.Options{"iface": cmp.Or(iface, "auto")}
		if iface == mockInterface {
			config["pcap_source"] = "mock"
		}
		taps = append(taps, policy.Tap{Name: "default_pcap", InputType: "pcap", Config: config})
	}
	return taps
}

// Package flow analyses flow records, of NetFlow, IPFIX and sFlow: the YAML module "flow". It counts what routers and switches
// tell of their interfaces: volumes by protocol, top talkers, ports and conversations.
//
//	h, err := flow.New(flow.Config{})
//	...
//	m := flow.From(snapshot)
//	eth0 := m.Devices.Find("192.0.2.254").Interfaces.Find("7")
//	fmt.Println(eth0.InBytes.All.Value())
//
// A record counts for its input interface as ingress and for its output interface as egress. Where the exporter says how it samples,
// counts are multiplied by the rate, unless Config.NoScaling is set; unlike in pktvisor, that holds for NetFlow and IPFIX as for sFlow.
//
// The number of devices and interfaces is bounded, see [Config]. A quiet interface takes 20 KiB a period, a busy one 5 MiB at
// most, and all together 500 MiB with the bounds that are set by default, if an attacker fills them. A record takes 0.4 µs with the
// default groups, up to 2 µs where lists overflow.
package flow

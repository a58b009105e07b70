// Package flow analyses flow records, of NetFlow, IPFIX and sFlow: the YAML module "flow". It
// counts what routers and switches report of their interfaces: volumes by protocol, top talkers,
// ports and conversations.
//
//	h, err := flow.New(flow.Config{})
//	...
//	m := flow.From(snapshot)
//	eth0 := m.Devices.Find("192.0.2.254").Interfaces.Find("7")
//	fmt.Println(eth0.InBytes.All.Value())
//
// A record counts for its input interface as ingress and for its output interface as egress. Where
// the exporter states how it samples, counts are multiplied by the rate, unless Config.NoScaling is
// set; unlike in pktvisor, that holds for NetFlow and IPFIX as for sFlow.
//
// Memory is bounded in bytes, see [Config]: 96 MiB with the bounds that are set by default, whoever
// sends. An interface takes 12 KiB a period at first, and 700 KiB at most. As memory fills up,
// lists stop growing, the large ones first; then the interfaces and devices that are used least are
// counted as one, [Others], and how many those are is counted. One that has had a place in the
// period before, or has much more records than another, gets its place. A query takes as much again
// as the periods that it asks for, and keeps apart as many interfaces and devices as the workers do
// in one period: those that were seen in the most periods.
//
// A list keeps up to 768 keys for bytes and packets both. Beyond, the weights of all keys are known
// to within 1/150 of the total, and 1/300 as a rule. A record takes 0.3 µs with the default groups,
// up to 1 µs where lists overflow, and allocates nothing.
package flow

// Package flow analyzes flow records of NetFlow, IPFIX and sFlow: the YAML module "flow". It counts
// the reports of routers and switches about their interfaces: volumes by protocol, top talkers,
// ports and conversations.
//
//	h, err := flow.New(flow.Config{})
//	...
//	m := flow.From(snapshot)
//	eth0 := m.Devices.Find("192.0.2.254").Interfaces.Find("7")
//	fmt.Println(eth0.InBytes.All.Value())
//
// A record counts for its input interface as ingress and for its output interface as egress. If the
// exporter states its sampling rate, counts are multiplied by it, unless Config.NoScaling is set.
// Unlike in pktvisor, this holds for NetFlow and IPFIX as well as for sFlow.
//
// Memory is bounded in bytes under any traffic, see [Config]: 96 MiB by default. An interface takes
// 12 KiB per period at first, and 700 KiB at most. As memory fills up, lists stop growing, the
// large ones first. Then the least used interfaces and devices are counted together as [Others],
// and their number is counted. A subject gets a place if it had one in the previous period or has
// many more records than another. A query takes as much memory again as its periods. It keeps as
// many interfaces and devices as the workers do in one period: the ones present in the most
// periods.
//
// A list keeps up to 768 keys, for bytes and packets together. Beyond that, the error of each key's
// weight is at most 1/92 of the total, and below 1/400 for most traffic. With the default groups a
// record takes 0.3 to 0.4 µs, whether or not lists overflow, while the lists fit into the caches.
// With 10 MB of lists it takes up to 1 µs. It does not allocate.
package flow

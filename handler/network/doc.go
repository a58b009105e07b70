// Package network analyzes packets by address, protocol and size: the YAML module "net", in two
// versions.
//
//	h, err := network.New(network.Config{})
//	...
//	m := network.From(snapshot)
//	fmt.Println(m.IPv4.Value(), m.SrcIPsIn.Estimate())
//
// Version 2.0 ([NewByDirection], [FromByDirection]) counts the same metrics for each direction.
// Both may run in one pipeline.
//
// Every frame is one event, regardless of its protocol. Addresses are taken from the outermost IP
// header. Only the remote address is counted, so lists and cardinalities require the local networks
// (handler.Config.Hosts). A packet costs about 10 ns without them and 30 ns with them.
package network

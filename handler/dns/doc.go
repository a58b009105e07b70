// Package dns analyses DNS messages: the YAML module "dns", in two versions.
//
//	h, err := dns.New(dns.Config{Settings: handler.Settings{Enable: []string{"top_ecs"}}})
//	...
//	m := dns.From(snapshot)
//	fmt.Println(m.Queries.Value(), m.QName.Estimate(), m.TransOut.Quantile(0.99))
//
// An event is one message to or from a DNS port (53, 5353, 5355 and 53000, unless
// handler.Config.DNSPorts names others) over UDP, or one message of a TCP stream on these ports.
// Messages that are cut within the header, and those that cannot be DNS, are events, but not
// counted further. Names are counted in lower case, escaped as dnsmsg does, without the final dot;
// the root is the empty name.
//
// Queries wait for their replies in a table of bounded size ([Config.Transactions]). A query that
// waits longer than [Config.Timeout] has timed out.
//
// A dnstap message is an event too. The response of one may hold its whole transaction: both times,
// or both messages.
//
// Version 1.0 counts messages. Version 2.0 ([NewTransactions], [FromTransactions]) counts
// transactions, by direction, from what the reply says: its filters look at one half and drop the
// other with it. Both may run in one pipeline.
package dns

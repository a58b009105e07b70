// Package dns analyzes DNS messages: the YAML module "dns", in two versions.
//
//	h, err := dns.New(dns.Config{Settings: handler.Settings{Enable: []string{"top_ecs"}}})
//	...
//	m := dns.From(snapshot)
//	fmt.Println(m.Queries.Value(), m.QName.Estimate(), m.Out.Time.Quantile(0.99))
//
// An event is one message over UDP to or from a DNS port, or one message of a TCP stream on these
// ports. The ports are 53, 5353, 5355 and 53000, unless handler.Config.DNSPorts lists others.
// Messages cut within the header, and those that cannot be DNS, are events but are not counted
// further. Names are counted in lower case, escaped as in dnsmsg, without the final dot. The root
// is the empty name.
//
// Queries wait for their replies in a bounded table ([Config.Transactions]). A query that waits
// longer than [Config.Timeout] has timed out.
//
// A dnstap message is an event too. A response may hold its whole transaction: both times, or both
// messages.
//
// Version 1.0 counts messages. Version 2.0 ([NewTransactions], [FromTransactions]) counts
// transactions by direction, using the fields of the reply. A filter that rejects the query or the
// reply drops the whole transaction. Both may run in one pipeline.
package dns

// Package netflow reads the exports of routers: NetFlow versions 1, 5, 7 and 9 (RFC 3954; Cisco's
// "NetFlow Export Datagram Format" for the older ones) and IPFIX (RFC 7011, with the information
// elements of IANA).
//
//	d := netflow.New(netflow.Config{})
//	var e decode.Export
//	d.Decode(now, from, datagram, &e)
//	for i := range e.Flows {
//		total += e.Flows[i].Bytes
//	}
//
// A [Decoder] remembers templates, sampling rates and sequence numbers of each exporter and
// observation domain. An exporter is an address and a port, since several share one address behind
// NAT: one that starts again on another port has to send its templates again, as RFC 7011 section 8
// wants. Data sets whose template has not come yet are held for a while.
//
// A record of a bidirectional flow (RFC 5103, or the counters of initiator and responder) is two
// flows.
//
// A record of a template of twenty fields takes 60 ns and allocates nothing. Memory is bounded in
// bytes whatever exporters send, see [Config]: 17 MiB with the defaults. Work is linear in the
// bytes present.
package netflow

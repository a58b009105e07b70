// Package netflow reads flow exports of routers: NetFlow versions 1, 5, 7 and 9, and IPFIX. Version
// 9 follows RFC 3954, older ones Cisco's "NetFlow Export Datagram Format". IPFIX follows RFC 7011,
// with the information elements of IANA.
//
//	d := netflow.New(netflow.Config{})
//	var e decode.FlowDatagram
//	d.Decode(now, session, datagram, &e)
//	for i := range e.Flows {
//		total += e.Flows[i].Bytes
//	}
//
// A [Decoder] remembers templates, sampling rates and sequence numbers per exporter and observation
// domain. An exporter is an address and a port, since several share one address behind NAT. An
// exporter that restarts on another port has to send its templates again, as RFC 7011 section 8
// requires. Data sets whose template has not arrived yet are held for a while.
//
// A record of a bidirectional flow (RFC 5103, or the counters of initiator and responder) becomes
// two flows.
//
// Reading a record with a template of twenty fields takes 60 ns and allocates nothing. Memory is
// bounded in bytes whatever exporters send, see [Config]: 17 MiB with the defaults. Work is linear
// in the bytes present.
package netflow

// Package probe asks targets whether they are there, and whether they answer as they should: by
// ICMP echo requests, TCP connections, HTTP requests, or DNS queries over UDP, TCP, TLS and HTTPS.
// It is a source of events (visor/decode/probemsg), which visor/handler/netprobe counts:
//
//	src, err := probe.New(probe.Config{
//		Test:    probe.Ping,
//		Targets: []probe.Target{{Name: "resolver", Host: "9.9.9.9"}},
//	})
//	...
//	p, err := handler.NewPipeline(handler.Config{
//		Sources: []capture.Source{src}, Handlers: []handler.Handler{results}, Live: true,
//	})
//
// Echo requests go through ICMP sockets, which need no privileges where the system allows them (on
// Linux, to the groups in the sysctl net.ipv4.ping_group_range), or else through raw ones. Times
// are taken right before sending and after receiving, from the monotonic clock: they include what
// the system's scheduler adds, some tens of µs.
//
// The tests of a target follow each other: a request that does not end holds up the next one, so
// that at most one is open. Of a response no more is kept than the conditions on it need. Close
// ends all requests and waits for their goroutines.
package probe

// Package probe tests the availability of targets and the correctness of their answers. It sends
// ICMP echo requests, opens TCP connections, and sends HTTP requests and DNS queries over UDP, TCP,
// TLS and HTTPS. Its source yields events (visor/decode/probemsg), which visor/handler/netprobe
// counts:
//
//	src, err := probe.New(probe.Config{
//		Test:    probe.Ping,
//		Targets: []probe.Target{{Name: "resolver", Host: "9.9.9.9"}},
//	})
//	...
//	p, err := handler.NewPipeline(handler.Config{
//		Sources: []capture.Source{src}, Handlers: []handler.Handler{results},
//	})
//
// Echo requests use ICMP sockets, which need no privileges where the system allows them, and raw
// sockets otherwise. On Linux the sysctl net.ipv4.ping_group_range lists the groups that may use
// ICMP sockets. Timestamps are taken from the monotonic clock directly before sending and after
// receiving. They include the delay of the system's scheduler, some tens of µs.
//
// The tests of a target run one after the other, so a slow request delays the next test. The source
// keeps only the part of a response that its conditions need. Close ends all requests and waits for
// their goroutines.
package probe

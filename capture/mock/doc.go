// Package mock generates live network traffic for demonstrations and dashboards. It needs no
// network and no privileges.
//
//	src := mock.New(mock.Config{PPS: 500})
//	p, err := handler.NewPipeline(handler.Config{
//		Sources: []capture.Source{src}, Handlers: handlers,
//	})
//
// Each frame is delivered at the time of its timestamp. The traffic is DNS of all kinds among other
// TCP, UDP, ICMP and ARP, from some thousand clients. The same seed generates the same traffic.
package mock

// Package mock makes up network traffic, live: for demonstrations and dashboards, without a network
// or privileges.
//
//	src := mock.New(mock.Config{PPS: 500, RandomLabel: 20})
//	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{src}, Live: true, Handlers: handlers})
//
// Frames come at the times that they have, by the clock. It is DNS of all kinds, among other TCP,
// UDP, ICMP and ARP, of some thousand clients; attacks can be put in. The same seed gives the same
// traffic.
package mock

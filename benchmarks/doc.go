// Package benchmarks holds benchmarks of the whole way of a packet, over the same made traffic for
// all, and the yardstick that they are held against: what gopacket takes for decoding alone.
//
//	go test -bench . ./benchmarks
//
// Each benchmark goes over all frames in one iteration and reports ns/pkt, the figure to compare.
// A new one takes its frames from varied, in frames_test.go, and leaves them as they are.
package benchmarks

// Package benchmarks measures the complete path of a packet, with the same generated traffic for
// every benchmark. The yardstick is the time that gopacket takes for decoding alone.
//
//	go test -bench . ./benchmarks
//
// Each benchmark processes all frames in one iteration and reports ns/pkt, the figure to compare. A
// new benchmark takes its frames from varied, in frames_test.go, and must not modify them.
//
// On a busy machine, instructions.sh shows more than times do: it simulates a processor and counts
// instructions, branches and cache misses by function.
package benchmarks

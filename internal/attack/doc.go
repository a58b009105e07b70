// Package attack makes the traffic of attackers who know visor's source:
//
//	for _, kind := range attack.Kinds() {
//		p, _ := handler.NewPipeline(handler.Config{Sources: []capture.Source{kind.Source(100_000)}, …})
//
// Tests hold bounds of memory and conservation of packets against it, benchmarks the cost of the
// worst packet. Each kind aims at one structure: a table, a buffer, a loop. Traffic is the same in
// each run.
package attack

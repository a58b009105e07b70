// Package attack generates the traffic of attackers with knowledge of visor's source:
//
//	for _, kind := range attack.Kinds() {
//		sources := []capture.Source{kind.Source(100_000)}
//		p, _ := handler.NewPipeline(handler.Config{Sources: sources, …})
//
// Tests check bounds of memory and conservation of packets against it; benchmarks measure the cost
// of the worst packet. Each kind targets one structure: a table, a buffer, a loop. Traffic is the
// same in each run.
package attack

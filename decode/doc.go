// Package decode says what a frame is: link layer, IP, transport, tunnels and fragments.
//
//	dec := decode.NewDecoder(decode.Config{})
//	for _, batch := range batches {
//		dec.Reset()
//		for i := range batch {
//			p := &batch[i] // TimeNS, Frame, WireLen and Link are set
//			if err := dec.Decode(p); err != nil {
//				continue // undecodable; p.Layers says how far it went
//			}
//			use(p.Innermost())
//		}
//	}
//
// A packet costs some 30 ns, most of it waiting for its bytes, and no allocation. Nothing in a
// frame is trusted: lengths are checked against what is there, nesting and reassembly are bounded.
// Link types that are not built in are left to a [LinkFallback].
package decode

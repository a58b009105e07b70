// Package decode reads the headers of frames: link layer, IP, transport, tunnels and fragments.
//
//	dec := decode.NewDecoder(decode.Config{})
//	for _, batch := range batches {
//		dec.Reset()
//		for i := range batch {
//			p := &batch[i] // TimeNS, Frame, WireLen and Link are set
//			if err := dec.Decode(p); err != nil {
//				continue // undecodable; p.Layers has the layers before the error
//			}
//			use(p.Innermost())
//		}
//	}
//
// Decoding a packet takes about 30 ns, mostly waiting for its bytes, and allocates nothing. Frames
// are not trusted: lengths are checked against the bytes present, and nesting and reassembly are
// bounded. Link types that are not built in are passed to a [LinkFallback].
package decode

// Package tcpstream puts the bytes of captured TCP connections (RFC 9293) back in order. It serves
// protocols such as DNS and BGP, whose messages do not follow segment boundaries. Feed takes one
// segment; Next and Event return the resulting events:
//
//	a := tcpstream.New(tcpstream.Config[framer]{Release: (*framer).Reset})
//	for each segment {
//		a.Feed(seg)
//		for a.Next() {
//			switch ev := a.Event(); ev.Kind {
//			case tcpstream.Data:
//				ev.State.Write(ev.Data)
//			case tcpstream.Gap:
//				ev.State.Reset() // the current message will not be completed
//			}
//		}
//	}
//	a.Flush() // at the end of a recording; then Next once more
//
// A capture is not a host: it sees segments twice, late, cut, or not at all, and cannot request
// them again. If bytes are seen twice, the first copy counts.
//
// A hole waits for its bytes until these are clearly lost. That is so when the peer has
// acknowledged them and further segments or [Config.Reorder] have passed. It is also so when too
// many bytes wait behind the hole, or when the connection ends. Then a Gap reports the size of the
// hole, and the bytes behind it follow. Bytes from one side are also held while its peer has a
// hole, so that an answer does not overtake its question.
//
// A connection whose SYN was not seen begins with its first payload byte. A connection ends with
// both FINs, a RST, a SYN of another connection under the same key, a silence of [Config.Idle], or
// eviction.
//
// Memory is bounded. Connections with payload are limited by MaxConns, at about 200 bytes and two S
// each. As many handshakes, at most 65,536, take 20 bytes each. The Pool bounds held bytes. Nothing
// allocates once the tables have grown. An in-order segment is not copied. Work per segment is
// bounded by the held pieces of its stream, at most MaxPieces.
//
// The segments determine the time. It may run backwards, which ends no connection. A jump ahead
// counts for half of Idle at most, so that one wrong timestamp does not make all connections idle.
// With [Config.Stepped] a wrong timestamp concerns its connection alone, and the caller has to call
// Advance from time to time.
package tcpstream

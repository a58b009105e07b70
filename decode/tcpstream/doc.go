// Package tcpstream puts the bytes of TCP connections (RFC 9293) back in order, as far as a capture
// has them: for DNS and BGP over TCP, whose messages do not care where segments end. Each segment
// goes in, and what can be said now comes out:
//
//	a := tcpstream.New(tcpstream.Config[framer]{Release: (*framer).Reset})
//	for each segment {
//		a.Feed(seg)
//		for a.Next() {
//			switch ev := a.Event(); ev.Kind {
//			case tcpstream.Data:
//				ev.State.Write(ev.Data)
//			case tcpstream.Gap:
//				ev.State.Reset() // what was begun will not be completed
//			}
//		}
//	}
//	a.Flush() // at the end of a recording; then Next once more
//
// A capture is not a host: it sees segments twice, late, cut, or not at all, and cannot ask again.
// Of bytes seen twice the first ones count. A hole is waited for until its bytes come, or until it
// is clear that they will not: the peer has acknowledged them and further segments or
// [Config.Reorder] have gone by, what is held behind the hole is too much, or the connection ends.
// Then comes a Gap with its size, and what is behind it. A connection whose SYN was not seen begins
// with its first payload byte. Both FINs, RST, a SYN of another connection under the same key, a
// silence of [Config.Idle] and want of room end one.
//
// What one side sends while its peer has a hole is held, too, so that an answer does not overtake
// its question.
//
// Memory is bounded: connections with payload by MaxConns, at about 200 bytes and two S each; as
// many handshakes, at most 65,536, with 20 bytes each; bytes held by the Pool. Nothing allocates
// once the tables have grown. An in-order segment is not copied. Work per segment is bounded by the
// pieces that its stream holds, at most MaxPieces.
//
// Time is that of the segments. It may run backwards, which ends nothing; a jump ahead counts for
// half of Idle at most, so that one wrong time stamp does not make all connections idle.
package tcpstream

// Package bgpmsg splits the byte streams of BGP-4 connections into messages (RFC 4271, section 4).
//
//	var f bgpmsg.Framer // one for each direction of a connection
//	f.Feed(data)
//	for f.Next() {
//		count(f.Message().Type())
//	}
//	malformed += f.TakeMalformed()
//
// Bytes that are no message are skipped up to what looks like the beginning of one. A Framer holds at most one message, of up to
// 65,535 bytes (RFC 8654), and what came with its last piece.
package bgpmsg

// Package bgpmsg splits the byte streams of BGP-4 connections into messages (RFC 4271, section 4).
//
//	var f bgpmsg.Framer // one for each direction of a connection
//	f.Feed(data)
//	for f.Next() {
//		count(f.Message().Type())
//	}
//	malformed += f.TakeMalformed()
//
// A Framer skips malformed bytes up to the likely start of a message. It holds at most one
// incomplete message, of up to 65,535 bytes (RFC 8654), and the rest of its last piece.
package bgpmsg

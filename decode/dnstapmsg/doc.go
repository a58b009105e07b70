// Package dnstapmsg reads dnstap messages (https://dnstap.info, dnstap.proto) in place. DNS servers
// use dnstap to report the queries and responses that they see.
//
//	var m dnstapmsg.Message
//	if err := dnstapmsg.Parse(frame, &m); err != nil {
//		return err
//	}
//	src, dst := m.Addrs()
//	use(src, dst, m.Wire())
//
// A frame is the protobuf in a data frame of Frame Streams. A Message borrows from it; nothing
// allocates. Unknown fields are skipped, as protobuf requires, and lengths are checked against the
// bytes present.
package dnstapmsg

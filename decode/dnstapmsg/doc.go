// Package dnstapmsg reads dnstap messages (https://dnstap.info, dnstap.proto) in place: what DNS
// servers tell of the queries and responses that they see.
//
//	var m dnstapmsg.Message
//	if err := dnstapmsg.Parse(frame, &m); err != nil {
//		return err
//	}
//	src, dst := m.Addrs()
//	use(src, dst, m.Wire())
//
// A frame is the protobuf that a data frame of Frame Streams holds. A Message borrows from it;
// nothing allocates. Fields that are not known are skipped, as protobuf demands, and lengths are
// checked against what is there.
package dnstapmsg

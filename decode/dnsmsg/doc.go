// Package dnsmsg reads DNS messages (RFC 1035, EDNS(0) RFC 6891) in place. [Parse] checks the
// header and returns a [Message] that borrows its input. The first question has a fast path, since
// handlers count messages by it. A cursor reads the records:
//
//	name, q, err := msg.AppendQuestion(name[:0])
//	...
//	rr := msg.Records()
//	for rr.Next() {
//		name, err = rr.AppendName(name[:0])
//	}
//	return rr.Err()
//
// Names are returned as text in lower case, labels joined by dots, without the final dot; the root
// is empty. Bytes outside printable ASCII, and dots and backslashes in labels, are escaped (RFC
// 4343 section 2.1, RFC 1035 section 5.1). So different names have different texts.
//
// Nothing allocates except an Append function whose dst is too small. Section counts are hints.
// Work is bounded by the bytes present and by 126 compression pointers per name, which must all
// point backwards.
package dnsmsg

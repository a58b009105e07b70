// Package dnsmsg reads DNS messages (RFC 1035, EDNS(0) RFC 6891) in place. [Parse] checks the
// header and returns a [Message] that borrows its input; the first question, by which messages are
// counted, has a fast way of its own, and a cursor reads the records:
//
//	name, q, err := msg.AppendQuestion(name[:0])
//	...
//	rr := msg.Records()
//	for rr.Next() {
//		name, err = rr.AppendName(name[:0])
//	}
//	return rr.Err()
//
// Names come out as text in lower case, labels joined by dots, without the final dot, the root
// being empty. Bytes that are no printable ASCII, dots and backslashes in labels are escaped (RFC
// 4343 section 2.1, RFC 1035 section 5.1), so that different names have different texts.
//
// Nothing allocates except an Append function whose dst is too small. Section counts are hints:
// work is bounded by the bytes present and by 126 compression pointers per name, all of them
// backwards.
package dnsmsg

package dnstapmsg

// Field is a field of a protobuf message.
type Field struct {
	Number, Value uint64
	Wire          uint8
	Bytes         []byte
}

// Fields returns the fields of b up to the first error.
func Fields(b []byte) (out []Field, err error) {
	f := fields{rest: b}
	for f.next() {
		out = append(out, Field{f.number, f.value, f.wire, f.bytes})
	}
	return out, f.err
}

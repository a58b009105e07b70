package dnsmsg

import "encoding/binary"

// Ordinary reports whether m has one question, as many records as its size bytes on the wire can
// hold, opcode 0 and no unassigned flag. Most messages are so, and none of them is impossible.
func (m Message) Ordinary(size int) bool {
	const flags, one = 0x7840 << 32, 1 << 16
	start, more := binary.BigEndian.Uint64(m), binary.BigEndian.Uint32(m[8:])
	return start&(flags|0xFFFF0000) == one && HeaderLen+5+11*int(start&0xFFFF+uint64(more>>16+more&0xFFFF)) <= size
}

// Impossible reports whether m cannot be a DNS message. That is so if its counts do not fit its
// size bytes on the wire, or its opcode or flags are not assigned. It must also not begin with a
// plausible question or record. A merely damaged message is not impossible.
func (m Message) Impossible(size int) bool {
	const unassigned = 1<<3 | 0xFF80         // opcodes (RFC 6895 section 2.2)
	counts := binary.BigEndian.Uint64(m[4:]) // of all four sections
	questions := HeaderLen + 5*int(counts>>48)
	records := int(uint16(counts>>32)) + int(uint16(counts>>16)) + int(uint16(counts))
	const reply, truncated = 0x80, 0x02
	cut := m[2]&(reply|truncated) == reply|truncated // its counts may describe the whole message
	if questions <= size && (cut || questions+11*records <= size) && unassigned>>m.Opcode()&1 == 0 && m[3]&0x40 == 0 {
		return false
	}
	if m.QDCount() > 0 {
		return !m.startsWithQuestion()
	}
	if records == 0 {
		return false
	}
	begins, _ := m.beginsRecord(size)
	return begins != yes
}

// startsWithQuestion reports whether the first question can be read. One for the root must have an
// assigned type and class, because zeros look like a question for the root.
func (m Message) startsWithQuestion() bool {
	w := m.walk(HeaderLen)
	for {
		label, err := w.next()
		if err != nil {
			return false
		}
		if len(label) == 0 {
			break
		}
	}
	if w.end+4 > len(m) {
		return false
	}
	return w.wire > 1 || be16(m[w.end:]) != 0 && isClass(be16(m[w.end+2:]))
}

package dnsmsg

import (
	"encoding/binary"
	"errors"
)

// The errors of parsing.
var (
	ErrTruncated  = errors.New("dnsmsg: truncated")
	ErrMalformed  = errors.New("dnsmsg: malformed")
	ErrNoQuestion = errors.New("dnsmsg: no question")
)

// HeaderLen is the length of the header of a message.
const HeaderLen = 12

// Message is a DNS message: a view that borrows the parsed bytes.
type Message []byte

// Parse returns the message in b. It returns [ErrTruncated] if b is shorter than a header. It does
// not check the bytes after the header.
func Parse(b []byte) (Message, error) {
	if len(b) < HeaderLen {
		return nil, ErrTruncated
	}
	return Message(b), nil
}

func be16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

// ID returns the identifier that a response shares with its query.
func (m Message) ID() uint16 { return be16(m) }

// Response reports whether the message is a response (QR).
func (m Message) Response() bool { return m[2]&0x80 != 0 }

// Opcode returns the kind of query, 0 to 15.
func (m Message) Opcode() uint8 { return m[2] >> 3 & 15 }

// Authoritative returns the AA bit.
func (m Message) Authoritative() bool { return m[2]&0x04 != 0 }

// Truncated returns the TC bit.
func (m Message) Truncated() bool { return m[2]&0x02 != 0 }

// RecursionDesired returns the RD bit.
func (m Message) RecursionDesired() bool { return m[2]&0x01 != 0 }

// RecursionAvailable returns the RA bit.
func (m Message) RecursionAvailable() bool { return m[3]&0x80 != 0 }

// AuthenticatedData returns the AD bit (RFC 4035 section 3.2.3).
func (m Message) AuthenticatedData() bool { return m[3]&0x20 != 0 }

// CheckingDisabled returns the CD bit (RFC 4035 section 3.2.2).
func (m Message) CheckingDisabled() bool { return m[3]&0x10 != 0 }

// RCode returns the header's four bits of the response code; [EDNS] has the others.
func (m Message) RCode() RCode { return RCode(m[3] & 15) }

// word is be16(m[at:]) without the slice, which takes five instructions more.
func (m Message) word(at int) uint16 { return uint16(m[at])<<8 | uint16(m[at+1]) }

// QDCount returns the number of questions that the header claims.
func (m Message) QDCount() uint16 { return m.word(4) }

// ANCount returns the number of answer records that the header claims.
func (m Message) ANCount() uint16 { return m.word(6) }

// NSCount returns the number of authority records that the header claims.
func (m Message) NSCount() uint16 { return m.word(8) }

// ARCount returns the number of additional records that the header claims.
func (m Message) ARCount() uint16 { return m.word(10) }

// Question is the first question of a message, without its name.
type Question struct {
	Type  Type
	Class uint16
	End   int // offset behind the question

	// four fields are the most that AppendQuestion returns in registers, which saves 10 ns
	cuts cuts
}

// AppendQuestion appends the first QNAME to dst, as text in lower case, and returns the rest of the
// question. If it cannot read a question, it returns dst unchanged and [ErrNoQuestion],
// [ErrTruncated] or [ErrMalformed].
func (m Message) AppendQuestion(dst []byte) ([]byte, Question, error) {
	return m.appendQuestion(dst, true)
}

// AppendQuestionExact is AppendQuestion without the conversion to lower case.
func (m Message) AppendQuestionExact(dst []byte) ([]byte, Question, error) {
	return m.appendQuestion(dst, false)
}

func (m Message) appendQuestion(dst []byte, lower bool) ([]byte, Question, error) {
	if m.QDCount() == 0 {
		return dst, Question{}, ErrNoQuestion
	}
	name, end, err := m.appendName(dst, HeaderLen, lower)
	if err == nil && end+4 > len(m) {
		err = ErrTruncated
	}
	if err != nil {
		return dst, Question{}, err
	}
	return name, m.question(end), nil
}

// question reads the type and class at offset at.
func (m Message) question(at int) Question {
	b := m[at : at+4]
	return Question{Type: Type(uint16(b[0])<<8 | uint16(b[1])), Class: uint16(b[2])<<8 | uint16(b[3]), End: at + 4}
}

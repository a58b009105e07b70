package dnstap

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Frame Streams (https://farsightsec.github.io/fstrm): a data frame follows its length. A control
// frame follows a length of zero and its own length.
const (
	contentType  = "protobuf:dnstap.Dnstap"
	maxFrame     = 1 << 20 // two DNS messages and their addresses need less than 140 KiB
	maxControl   = 512
	lengthLen    = 4
	fieldContent = 1
)

// Types of control frames.
const (
	controlAccept = iota + 1
	controlStart
	controlStop
	controlReady
	controlFinish
)

var (
	errNoStream = errors.New("not Frame Streams: a control frame does not come first")
	errFrame    = errors.New("frame is longer than 1 MiB")
	errControl  = errors.New("control frame is malformed")
	errSequence = errors.New("frames come in an order that Frame Streams does not have")
	errBehind   = errors.New("bytes behind the end of a stream do not begin another one")
	errContent  = fmt.Errorf("stream does not carry %q", contentType)
)

// control is a control frame: its type, and whether it offers dnstap. A frame without a content
// type offers any content.
type control struct {
	kind   uint32
	dnstap bool
}

// parseControl parses the body of a control frame.
func parseControl(b []byte) (control, error) {
	if len(b) < 4 {
		return control{}, errControl
	}
	c := control{kind: binary.BigEndian.Uint32(b)}
	named := false
	for b = b[4:]; len(b) > 0; {
		if len(b) < 8 {
			return c, errControl
		}
		field, n := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
		if uint64(n) > uint64(len(b)-8) {
			return c, errControl
		}
		if field == fieldContent {
			named = true
			c.dnstap = c.dnstap || string(b[8:8+n]) == contentType
		}
		b = b[8+n:]
	}
	c.dnstap = c.dnstap || !named
	return c, nil
}

// appendControl appends a control frame, with the content type if withContent is set.
func appendControl(dst []byte, kind uint32, withContent bool) []byte {
	n := 4
	if withContent {
		n += 8 + len(contentType)
	}
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(n))
	dst = binary.BigEndian.AppendUint32(dst, kind)
	if withContent {
		dst = binary.BigEndian.AppendUint32(dst, fieldContent)
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(contentType)))
		dst = append(dst, contentType...)
	}
	return dst
}

// stream is the state of a stream.
type stream struct {
	phase         phase
	bidirectional bool
}

type phase uint8

const (
	fresh   phase = iota // nothing was received
	ready                // a bidirectional stream was accepted
	started              // data frames may follow
	stopped              // no frames may follow
)

// step processes a control frame. It returns the type of the frame to answer with, or 0 for none.
func (s *stream) step(c control) (answer uint32, err error) {
	switch {
	case c.kind == controlReady && s.phase == fresh:
		s.phase, s.bidirectional, answer = ready, true, controlAccept
	case c.kind == controlStart && s.phase <= ready:
		s.phase = started
	case c.kind == controlStop && s.phase == started:
		s.phase = stopped
		if s.bidirectional {
			answer = controlFinish
		}
		return answer, nil
	default:
		return 0, errSequence
	}
	if !c.dnstap {
		return 0, errContent
	}
	return answer, nil
}

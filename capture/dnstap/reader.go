package dnstap

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"slices"
)

const (
	readSize = 16 << 10 // buffer of a stream: shorter frames are not copied
	// memory for longer frames grows with the bytes received, not with the announced length
	largeStep = 64 << 10
)

// reader splits a stream into data frames.
type reader struct {
	in     *bufio.Reader
	stream stream
	many   bool      // several streams may follow each other, as in concatenated files
	answer io.Writer // receives control frames; nil if the stream is unidirectional
	// called before waiting, with true within a frame or handshake; nil if waiting is not limited
	begun  func(now bool)
	budget *budget       // limits the bytes in large; nil means no limit
	gone   chan struct{} // closed to end a wait for the budget
	held   int           // bytes of in that the last frames borrow
	large  []byte        // a frame that exceeds the buffer of in
	taken  int           // bytes taken from the budget
	first  [lengthLen]byte
	offset int64 // offset of the next frame
}

func newReader(in io.Reader) *reader { return &reader{in: bufio.NewReaderSize(in, readSize)} }

// start reads the control frame at the start of a stream.
func (r *reader) start() error {
	head, err := r.peek(lengthLen)
	switch {
	case err != nil:
		return cut(err)
	case binary.BigEndian.Uint32(head) != 0:
		return errNoStream
	}
	return r.control()
}

// next returns the next data frame, which borrows from r until the next call. It returns io.EOF at
// the end of the stream, with or without a STOP frame.
func (r *reader) next() ([]byte, error) {
	r.discard(r.held)
	r.held = 0
	r.release()
	for r.stream.phase != stopped || r.many {
		head, err := r.peek(lengthLen)
		if err != nil {
			return nil, err
		}
		if r.offset == 0 {
			copy(r.first[:], head)
		}
		n := binary.BigEndian.Uint32(head)
		switch {
		case n == 0:
			err = r.control()
		case r.stream.phase == fresh:
			err = errNoStream
		case r.stream.phase == stopped:
			err = errBehind
		case r.stream.phase != started:
			err = errSequence
		case n > maxFrame:
			err = errFrame
		default:
			return r.data(int(n))
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, io.EOF
}

// ahead returns the data frames behind the last one, at most most, that are buffered as a whole.
// Each follows its length. They borrow from r like the frame of next.
func (r *reader) ahead(most int) []byte {
	if r.stream.phase != started {
		return nil
	}
	b, _ := r.in.Peek(r.in.Buffered())
	b = b[r.held:]
	end := 0
	for ; most > 0 && len(b)-end >= lengthLen; most-- {
		n := binary.BigEndian.Uint32(b[end:])
		if n == 0 || n > maxFrame || int(n) > len(b)-end-lengthLen {
			break
		}
		end += lengthLen + int(n)
	}
	r.held += end
	return b[:end]
}

// control reads a control frame and answers it.
func (r *reader) control() error {
	head, err := r.peek(2 * lengthLen)
	if err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[lengthLen:])
	if n > maxControl {
		return errControl
	}
	whole := 2*lengthLen + int(n)
	b, err := r.peek(whole)
	if err != nil {
		return err
	}
	c, err := parseControl(b[2*lengthLen:])
	if err != nil {
		return err
	}
	if r.many && c.kind == controlStart {
		// the writer of the previous stream may have been killed before its STOP
		r.stream = stream{}
	}
	answer, err := r.stream.step(c)
	if err != nil {
		return err
	}
	r.discard(whole)
	if answer == 0 || r.answer == nil {
		return nil
	}
	_, err = r.answer.Write(appendControl(nil, answer, answer == controlAccept))
	return err
}

// data returns a data frame of n bytes.
func (r *reader) data(n int) ([]byte, error) {
	if lengthLen+n <= r.in.Size() {
		b, err := r.peek(lengthLen + n)
		if err != nil {
			return nil, err
		}
		r.held = lengthLen + n
		return b[lengthLen:], nil
	}
	r.discard(lengthLen)
	if err := r.claim(n); err != nil {
		return nil, err
	}
	for len(r.large) < n {
		have := len(r.large)
		r.large = slices.Grow(r.large, min(largeStep, n-have))[:have+min(largeStep, n-have)]
		if _, err := io.ReadFull(r.in, r.large[have:]); err != nil {
			return nil, cut(err)
		}
	}
	r.offset += int64(n)
	return r.large, nil
}

// claim waits until the budget allows a frame of n bytes.
func (r *reader) claim(n int) error {
	r.large = r.large[:0]
	if r.budget == nil {
		return nil
	}
	if !r.budget.take(n, r.gone) {
		return net.ErrClosed
	}
	r.taken, r.large = n, make([]byte, 0, n)
	if r.begun != nil {
		r.begun(true) // restarts the deadline, because the client did not cause the wait
	}
	return nil
}

// release returns the memory of the last frame to the budget.
func (r *reader) release() {
	if r.taken > 0 {
		r.large = nil
		r.budget.give(r.taken)
		r.taken = 0
	}
}

// peek returns the next n bytes. It returns io.EOF only if the stream ends before the first of
// them.
func (r *reader) peek(n int) ([]byte, error) {
	if r.begun != nil && r.in.Buffered() < n {
		if err := r.await(); err != nil {
			return nil, err
		}
	}
	b, err := r.in.Peek(n)
	if err != nil && len(b) > 0 {
		err = cut(err)
	}
	return b, err
}

// await waits for the first byte of a frame, without a limit once the stream has started. The rest
// of the frame has a deadline.
func (r *reader) await() error {
	if r.in.Buffered() == 0 && r.stream.phase == started {
		r.begun(false)
		if _, err := r.in.Peek(1); err != nil {
			return err
		}
	}
	r.begun(true)
	return nil
}

func (r *reader) discard(n int) {
	_, _ = r.in.Discard(n) // never fails: the bytes are buffered
	r.offset += int64(n)
}

// cut returns the error for err within a frame.
func cut(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

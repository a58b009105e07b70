package capture_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"visor/capture"
	"visor/decode"
)

// tunnel is a Source of IP packets that a stream carries, each with its length ahead.
type tunnel struct {
	stream io.ReadCloser
	buf    []byte
	closed atomic.Bool
}

var _ capture.Source = (*tunnel)(nil)

// ReadBatch reads one packet. The frame borrows from t until the next call.
func (t *tunnel) ReadBatch(b *capture.Batch) error {
	b.Reset()
	err := t.readPacket()
	switch {
	case t.closed.Load():
		return capture.ErrClosed // not the error of the closed stream
	case err != nil:
		return err // io.EOF between two packets is the end
	}
	b.Frames = append(b.Frames, capture.Frame{
		TimeNS: time.Now().UnixNano(), Data: t.buf, WireLen: uint32(len(t.buf)), Link: decode.LinkRaw,
	})
	return nil
}

func (t *tunnel) readPacket() error {
	var length [2]byte
	if _, err := io.ReadFull(t.stream, length[:]); err != nil {
		return err
	}
	n := int(binary.BigEndian.Uint16(length[:]))
	t.buf = slices.Grow(t.buf[:0], n)[:n]
	if _, err := io.ReadFull(t.stream, t.buf); err != nil {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// Close ends the stream, and with it a waiting ReadBatch.
func (t *tunnel) Close() error {
	if t.closed.Swap(true) {
		return nil
	}
	return t.stream.Close()
}

// Live makes the clock close periods, even without packets.
func (t *tunnel) Live() bool { return true }

func ExampleSource() {
	src := &tunnel{stream: io.NopCloser(strings.NewReader("\x00\x03abc\x00\x02de"))}
	var b capture.Batch
	var err error
	for err = src.ReadBatch(&b); err == nil; err = src.ReadBatch(&b) {
		fmt.Printf("%s\n", b.Frames[0].Data)
	}
	fmt.Println(err, capture.IsLive(src))
	// Output:
	// abc
	// de
	// EOF true
}

package capture_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"time"

	"visor/capture"
	"visor/decode"
)

// tunnel is a Source of IP packets that a stream carries, each with its length ahead.
type tunnel struct {
	stream io.ReadCloser
	buf    []byte
}

var _ capture.Source = (*tunnel)(nil)

// ReadBatch reads one packet. The frame borrows from t until the next call.
func (t *tunnel) ReadBatch(b *capture.Batch) error {
	b.Reset()
	var length [2]byte
	if _, err := io.ReadFull(t.stream, length[:]); err != nil {
		return err // io.EOF between two packets is the end
	}
	n := int(binary.BigEndian.Uint16(length[:]))
	if cap(t.buf) < n {
		t.buf = make([]byte, n)
	}
	t.buf = t.buf[:n]
	if _, err := io.ReadFull(t.stream, t.buf); err != nil {
		return io.ErrUnexpectedEOF
	}
	b.Frames = append(b.Frames, capture.Frame{
		TimeNS: time.Now().UnixNano(), Data: t.buf, WireLen: uint32(n), Link: decode.LinkRaw,
	})
	return nil
}

// Close ends the stream, and with it a waiting ReadBatch.
func (t *tunnel) Close() error { return t.stream.Close() }

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

package dnstap_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode/dnstapmsg"
	"visor/internal/packettest"
)

const contentType = "protobuf:dnstap.Dnstap"

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()

// message returns a frame of a client's query with a timestamp n ms after the start.
func message(n int) []byte {
	m := dnstapmsg.Message{
		Type: dnstapmsg.ClientQuery, IPv4: true, Protocol: dnstapmsg.UDP, QueryAddr: []byte{192, 0, 2, 1}, QueryPort: 5000,
		QueryTime: start + int64(n)*int64(time.Millisecond), Query: packettest.Query(uint16(n), fmt.Sprintf("n%d.example", n), 1),
	}
	return m.AppendTo(nil)
}

// control returns a control frame of Frame Streams, with a content type if it is not empty.
func control(kind uint32, content string) []byte {
	body := binary.BigEndian.AppendUint32(nil, kind)
	if content != "" {
		body = binary.BigEndian.AppendUint32(body, 1)
		body = binary.BigEndian.AppendUint32(body, uint32(len(content)))
		body = append(body, content...)
	}
	b := binary.BigEndian.AppendUint32(make([]byte, 4), uint32(len(body)))
	return append(b, body...)
}

const (
	accept = iota + 1
	begin
	stop
	ready
	finish
)

// data returns a data frame.
func data(b []byte) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...) }

// file returns a Frame Streams file of n messages.
func file(n int) []byte {
	b := control(begin, contentType)
	for i := range n {
		b = append(b, data(message(i))...)
	}
	return append(b, control(stop, "")...)
}

// readAll returns copies of all frames of src, and the final error.
func readAll(t testing.TB, src capture.Source) (frames []capture.Frame, err error) {
	var b capture.Batch
	for {
		if err = src.ReadBatch(&b); err != nil {
			require.Empty(t, b.Frames)
			return frames, err
		}
		require.NotEmpty(t, b.Frames)
		require.LessOrEqual(t, len(b.Frames), capture.BatchSize)
		for _, f := range b.Frames {
			f.Data = append([]byte(nil), f.Data...)
			frames = append(frames, f)
		}
	}
}

// requireMessages checks that frames are consecutive messages, starting with number first.
func requireMessages(t testing.TB, first int, frames []capture.Frame) {
	for i, f := range frames {
		require.Equal(t, message(first+i), f.Data)
		require.Equal(t, start+int64(first+i)*int64(time.Millisecond), f.TimeNS)
	}
}

// dribble returns its bytes one by one.
type dribble struct{ io.Reader }

func (d dribble) Read(p []byte) (int, error) { return d.Reader.Read(p[:min(len(p), 1)]) }

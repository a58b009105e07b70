package gopkt_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/gopkt"
	"visor/capture/pcapfile"
)

// TestPcapgoReader checks that gopacket's readers work as sources and yield the same packets as
// pcapfile.
func TestPcapgoReader(t *testing.T) {
	var file bytes.Buffer
	w, err := pcapfile.NewWriter(&file, pcapfile.WriterConfig{Link: 101})
	require.NoError(t, err)
	for i := range 1000 { // no packet is empty, because gopacket returns nil for those
		require.NoError(t, w.WriteFrame(capture.Frame{TimeNS: int64(i), Data: bytes.Repeat([]byte{byte(i)}, 1+i), WireLen: 1500, Link: 101}))
	}
	require.NoError(t, w.Flush())
	direct, err := pcapfile.NewReader(bytes.NewReader(file.Bytes()), "direct")
	require.NoError(t, err)
	want := readAll(t, direct)
	require.Len(t, want, 1000)
	for _, batch := range []int{0, 7, capture.BatchSize} {
		reader, err := pcapgo.NewReader(bytes.NewReader(file.Bytes()))
		require.NoError(t, err)
		src, err := gopkt.NewRecording(reader, gopkt.Config{Batch: batch})
		require.NoError(t, err)
		require.Equal(t, want, readAll(t, src))
	}
}

func readAll(t *testing.T, src capture.Source) (out []capture.Frame) {
	var b capture.Batch
	for {
		if err := src.ReadBatch(&b); err != nil {
			require.ErrorIs(t, err, io.EOF)
			require.Empty(t, b.Frames)
			return out
		}
		for _, f := range b.Frames {
			f.Data = bytes.Clone(f.Data)
			out = append(out, f)
		}
	}
}

// script is a data source that returns its answers one by one, in the same memory.
type script struct {
	answers []any // a string is a packet, an error is an error
	memory  [64]byte
	closed  int
}

func (s *script) ZeroCopyReadPacketData() ([]byte, gopacket.CaptureInfo, error) {
	if len(s.answers) == 0 {
		return nil, gopacket.CaptureInfo{}, io.EOF
	}
	next := s.answers[0]
	s.answers = s.answers[1:]
	if err, ok := next.(error); ok {
		return nil, gopacket.CaptureInfo{}, err
	}
	n := copy(s.memory[:], next.(string))
	return s.memory[:n], gopacket.CaptureInfo{Timestamp: time.Unix(1, 2), CaptureLength: n, Length: n + 5}, nil
}

func (s *script) Close() { s.closed++ }

type linked struct{ script }

func (*linked) LinkType() layers.LinkType { return layers.LinkTypeRaw }

type timeout struct{}

func (timeout) Error() string { return "timeout" }
func (timeout) Timeout() bool { return true }

func TestBatches(t *testing.T) {
	broken := errors.New("broken")
	src := &script{answers: []any{"a", "b", timeout{}, timeout{}, "c", "d", "e", "f", broken}}
	s, err := gopkt.NewRecording(src, gopkt.Config{Batch: 3})
	require.NoError(t, err)
	var b capture.Batch
	for _, want := range []string{"ab", "cde", "f"} {
		require.NoError(t, s.ReadBatch(&b))
		got := ""
		for _, f := range b.Frames {
			got += string(f.Data)
			require.Equal(t, capture.Frame{TimeNS: 1e9 + 2, Data: f.Data, WireLen: 6, Link: 1}, f)
		}
		require.Equal(t, want, got)
	}
	require.ErrorIs(t, s.ReadBatch(&b), broken)
	require.ErrorIs(t, s.ReadBatch(&b), broken)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	require.Equal(t, 1, src.closed)
	require.ErrorIs(t, s.ReadBatch(&b), capture.ErrClosed)
}

func TestConfig(t *testing.T) {
	_, err := gopkt.NewRecording(&script{}, gopkt.Config{Batch: 257})
	require.Error(t, err)
	_, err = gopkt.NewRecording(&script{}, gopkt.Config{Batch: -1})
	require.Error(t, err)

	late := errors.New("late")
	s, err := gopkt.NewRecording(&linked{script{answers: []any{late, "a", late}}}, gopkt.Config{Timeout: func(err error) bool { return err == late }})
	require.NoError(t, err)
	var b capture.Batch
	require.NoError(t, s.ReadBatch(&b))
	require.EqualValues(t, 101, b.Frames[0].Link)
	require.ErrorIs(t, s.ReadBatch(&b), io.EOF)

	s, err = gopkt.NewRecording(&linked{script{answers: []any{"a"}}}, gopkt.Config{Link: 276})
	require.NoError(t, err)
	require.NoError(t, s.ReadBatch(&b))
	require.EqualValues(t, 276, b.Frames[0].Link)
	require.False(t, s.Live())

	s, err = gopkt.NewLive(&script{}, gopkt.Config{})
	require.NoError(t, err)
	require.True(t, s.Live(), "a pipeline closes periods by the clock, not by packets")
	_, err = gopkt.NewLive(&script{}, gopkt.Config{Batch: 257})
	require.Error(t, err)
}

func TestReadBatchAllocs(t *testing.T) {
	s, err := gopkt.NewRecording(endless{}, gopkt.Config{Batch: capture.BatchSize})
	require.NoError(t, err)
	var b capture.Batch
	read := func() { _ = s.ReadBatch(&b) }
	read()
	require.Zero(t, testing.AllocsPerRun(10, read))
}

type endless struct{}

var packet [60]byte

func (endless) ZeroCopyReadPacketData() ([]byte, gopacket.CaptureInfo, error) {
	return packet[:], gopacket.CaptureInfo{CaptureLength: 60, Length: 60}, nil
}

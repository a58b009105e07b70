package mirror_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	godnstap "github.com/dnstap/golang-dnstap"
	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/dnstap"
	"visor/capture/dnstap/mirror"
	"visor/decode/dnstapmsg"
	"visor/internal/packettest"
)

func message(n int) []byte {
	m := dnstapmsg.Message{Type: dnstapmsg.ClientQuery, IPv4: true, QueryTime: int64(n + 1), Query: packettest.Query(uint16(n), "a.example", 1)}
	return m.AppendTo(nil)
}

// frames reads a source to its end.
func frames(t testing.TB, src capture.Source) (out [][]byte) {
	var b capture.Batch
	for src.ReadBatch(&b) == nil {
		for _, f := range b.Frames {
			out = append(out, bytes.Clone(f.Data))
		}
	}
	require.NoError(t, src.Close())
	return out
}

// TestMirror writes a file by golang-dnstap and feeds a pipeline. Both have all messages.
func TestMirror(t *testing.T) {
	const n = 5000
	var file bytes.Buffer
	written, err := godnstap.NewFrameStreamOutput(&file)
	require.NoError(t, err)
	visor := dnstap.NewOutput()
	out := mirror.New(written, visor)
	go out.RunOutputLoop()
	go func() {
		for i := range n {
			out.GetOutputChannel() <- message(i)
		}
		out.Close()
	}()
	seen := frames(t, visor.Source())
	out.Close() // waits for the file
	src, err := dnstap.NewFile(&file, "file")
	require.NoError(t, err)
	require.Equal(t, seen, frames(t, src))
	require.Len(t, seen, n)
	require.Equal(t, message(7), seen[7])
	require.Zero(t, out.Missed())
}

// full fails every write after the header.
type full struct{ writes int }

func (f *full) Write(b []byte) (int, error) {
	if f.writes++; f.writes > 1 {
		return 0, errors.New("no space left on device")
	}
	return len(b), nil
}

// TestFailedOutput has a disk that is full. The pipeline still sees everything.
func TestFailedOutput(t *testing.T) {
	const n = 20_000
	written, err := godnstap.NewFrameStreamOutput(&full{})
	require.NoError(t, err)
	visor := dnstap.NewOutput()
	out := mirror.New(written, visor)
	go out.RunOutputLoop()
	go func() {
		for i := range n {
			out.GetOutputChannel() <- message(i)
		}
		out.Close()
	}()
	require.Len(t, frames(t, visor.Source()), n)
	out.Close()
	require.Positive(t, out.Missed())
}

func Example() {
	var file bytes.Buffer
	written, err := godnstap.NewFrameStreamOutput(&file)
	if err != nil {
		fmt.Println(err)
		return
	}
	visor := dnstap.NewOutput() // its Source is for a pipeline
	out := mirror.New(written, visor)
	go out.RunOutputLoop()
	out.GetOutputChannel() <- message(1)
	out.Close()

	var b capture.Batch
	fmt.Println(visor.Source().ReadBatch(&b), len(b.Frames), file.Len() > 0)
	// Output: <nil> 1 true
}

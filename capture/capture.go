package capture

import (
	"errors"

	"visor/decode"
)

// ErrClosed is returned by ReadBatch after the Source was closed.
var ErrClosed = errors.New("capture: source is closed")

// BatchSize is the number of frames that a source aims to put into a batch. It is large enough to
// spread the cost of a virtual call and a lock over many frames. It is small enough that a batch of
// packets stays in the L2 cache.
const BatchSize = 256

// Frame is one captured frame.
type Frame struct {
	TimeNS  int64           // capture time, ns since the Unix epoch
	Data    []byte          // from the link header on, cut at the snaplen; borrows from the Source
	WireLen uint32          // length on the wire, bytes; not below len(Data)
	Link    decode.LinkType // how the bytes of Data begin

	// Dir is the direction of the frame if the source can determine it without the addresses; see
	// [Owner]. Values that do not exist count as Unknown.
	Dir decode.Direction
}

// CopyTo appends the bytes of f to buf. It returns f with the copied bytes, and the extended
// buffer. If buf has to grow, frames copied earlier keep the previous buffer.
func (f Frame) CopyTo(buf []byte) (Frame, []byte) {
	at := len(buf)
	buf = append(buf, f.Data...)
	f.Data = buf[at:len(buf):len(buf)]
	return f, buf
}

// Batch is a reusable list of frames. The zero Batch is ready to use.
type Batch struct {
	Frames []Frame

	// Epoch is the start of the period of all frames in the batch, ns since the Unix epoch. It is
	// valid if Era is not 0. Frames of a source whose Era is 0 are not assigned to a period yet.
	Epoch int64
	// Era counts, from 1, how often time has gone back in a recording. Within an era periods follow
	// each other. A batch with an Era and without frames begins a period.
	Era int
}

// Reset empties b and keeps its memory. ReadBatch begins with it: the batch of the caller may hold
// the frames and the period of another source.
func (b *Batch) Reset() { b.Frames, b.Epoch, b.Era = b.Frames[:0], 0, 0 }

// Source yields frames in batches. A Source is owned by one goroutine, but Close may be called
// from any. A live source is a [LiveSource]; all others are recordings. Package
// visor/capture/sourcetest tests what is described here.
type Source interface {
	// ReadBatch replaces the contents of b with one or more frames, waiting if there are none yet;
	// see [Batch] for when there may be none. Frames in b borrow from the Source until the next
	// ReadBatch or Close. Sources with frames that live longer are stable; see [IsStable].
	//
	// It returns io.EOF at the end of a recording, each time. On any error b is empty: frames
	// before the damage come first, with a nil error.
	ReadBatch(b *Batch) error

	// Close releases what the Source holds, and makes a waiting ReadBatch return. From then on
	// ReadBatch does not wait. It returns the frames that the source has already accepted, if it
	// keeps any, and then [ErrClosed], each time. Frames that are neither returned nor filtered
	// count as dropped, if the source counts frames at all; see [DropCounter]. To close a Source
	// again does nothing and returns nil.
	Close() error
}

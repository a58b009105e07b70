package capture

import (
	"errors"

	"visor/decode"
)

// ErrClosed is what ReadBatch returns once the Source was closed.
var ErrClosed = errors.New("capture: source is closed")

// BatchSize is the number of frames that a source aims to put into a batch: enough to pay for one
// virtual call and one lock per batch, few enough that a batch of packets stays in the L2 cache.
const BatchSize = 256

// Frame is one captured frame.
type Frame struct {
	TimeNS  int64           // capture time, ns since the Unix epoch
	Data    []byte          // from the link header on, cut at the snaplen; borrows from the Source
	WireLen uint32          // length on the wire, bytes; not below len(Data)
	Link    decode.LinkType // how Data begins

	// Dir is which way the frame went, where the source can see that otherwise than by addresses,
	// see [Owner].
	Dir decode.Direction
}

// CopyTo returns f with its bytes at the end of buf, and the longer buf. If buf has to grow, frames
// copied earlier keep its former memory.
func (f Frame) CopyTo(buf []byte) (Frame, []byte) {
	at := len(buf)
	buf = append(buf, f.Data...)
	f.Data = buf[at:len(buf):len(buf)]
	return f, buf
}

// Batch is a reusable list of frames. The zero Batch is ready to use.
type Batch struct {
	Frames []Frame

	// Epoch is the start of the period to which every frame of the batch belongs, ns since the Unix
	// epoch, if Era is not 0. Frames of a source whose Era is 0 are in no period yet.
	Epoch int64
	// Era counts, from 1, how often time has gone back in a recording: within an era periods follow
	// each other. A batch with an Era may have no frames: then it begins a period.
	Era int
}

// Source yields frames in batches. A Source is owned by one goroutine, but Close may be called
// from any: it makes a waiting ReadBatch return [ErrClosed].
type Source interface {
	// ReadBatch replaces the contents of b with one or more frames, waiting if there are none yet;
	// see [Batch] for when there may be none.
	// Frames in b borrow from the Source until the next ReadBatch or Close.
	// It returns io.EOF at the end of a recording. On any error b is empty: frames before the
	// damage come first, with a nil error.
	ReadBatch(b *Batch) error
	Close() error
}

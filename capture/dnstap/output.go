package dnstap

import (
	"io"
	"sync"
	"sync/atomic"

	"visor/capture"
)

// Output takes dnstap messages from a Go program. It has the methods of the Output interface of
// golang-dnstap (github.com/dnstap/golang-dnstap), so that whatever writes dnstap there can write
// here:
//
//	out := dnstap.NewOutput()
//	go out.RunOutputLoop()
//	input.ReadInto(out.GetOutputChannel())
//
// Its Source gives them to a pipeline. The channel holds some thousand messages; a sender waits
// while it is full. An Output is safe for concurrent use.
type Output struct {
	messages chan []byte
	ended    chan struct{} // closed by Close
	once     sync.Once
	source   *outputSource
}

// outputDepth is how many messages wait at most: about a megabyte.
const outputDepth = 4096

// NewOutput returns an Output.
func NewOutput() *Output {
	o := &Output{messages: make(chan []byte, outputDepth), ended: make(chan struct{})}
	o.source = &outputSource{messages: o.messages, gone: make(chan struct{})}
	return o
}

// GetOutputChannel returns where messages are sent: frames as protobuf. The Output takes them over.
func (o *Output) GetOutputChannel() chan []byte { return o.messages }

// RunOutputLoop waits for Close. Once the Source is closed it takes messages and drops them, so
// that no sender waits for it.
func (o *Output) RunOutputLoop() {
	select {
	case <-o.ended:
	case <-o.source.gone:
		for range o.messages {
			o.source.dropped.Add(1)
		}
	}
}

// Close ends the Output: nothing may be sent any more, and its Source ends behind what was sent.
func (o *Output) Close() {
	o.once.Do(func() {
		close(o.ended)
		close(o.messages)
	})
}

// Source returns the Source of what is sent: always the same, for one pipeline.
func (o *Output) Source() capture.Source { return o.source }

// outputSource is the pipeline's side of an Output.
type outputSource struct {
	messages chan []byte
	slab     slab
	gone     chan struct{} // closed by Close
	once     sync.Once
	dropped  atomic.Uint64
}

var _ capture.DropCounter = (*outputSource)(nil)

// ReadBatch waits for one message and takes those that are there already.
func (s *outputSource) ReadBatch(b *capture.Batch) error {
	b.Frames, b.Epoch = b.Frames[:0], 0
	s.slab.reset()
	select {
	case <-s.gone:
		return capture.ErrClosed
	default:
	}
	select {
	case m, ok := <-s.messages:
		if !ok {
			return io.EOF
		}
		s.slab.addLive(m)
	case <-s.gone:
		return capture.ErrClosed
	}
	s.takeMore()
	b.Frames = append(b.Frames, s.slab.frames...)
	return nil
}

func (s *outputSource) takeMore() {
	for !s.slab.full() {
		select {
		case m, ok := <-s.messages:
			if !ok {
				return
			}
			s.slab.addLive(m)
		default:
			return
		}
	}
}

// Drops returns the messages sent after Close.
func (s *outputSource) Drops() uint64 { return s.dropped.Load() }

// Close makes ReadBatch return [capture.ErrClosed].
func (s *outputSource) Close() error {
	s.once.Do(func() { close(s.gone) })
	return nil
}

package dnstap

import (
	"io"
	"sync"
	"sync/atomic"

	"visor/capture"
)

// Output accepts dnstap messages from a Go program. It implements the Output interface of
// golang-dnstap (github.com/dnstap/golang-dnstap), so any program that uses golang-dnstap can write
// to it:
//
//	out := dnstap.NewOutput()
//	go out.RunOutputLoop()
//	input.ReadInto(out.GetOutputChannel())
//
// A pipeline reads them from its Source. The channel holds some thousand messages, and a sender
// waits while it is full. An Output is safe for concurrent use.
type Output struct {
	messages chan []byte
	ended    chan struct{} // closed by Close
	once     sync.Once
	source   *outputSource
}

// outputDepth is the capacity of the channel in messages, about a megabyte.
const outputDepth = 4096

// NewOutput returns an Output.
func NewOutput() *Output {
	o := &Output{messages: make(chan []byte, outputDepth), ended: make(chan struct{})}
	o.source = &outputSource{slab: slab{live: true}, messages: o.messages, gone: make(chan struct{})}
	return o
}

// GetOutputChannel returns the channel to send messages to: frames in protobuf. The Output takes
// ownership of them.
func (o *Output) GetOutputChannel() chan []byte { return o.messages }

// RunOutputLoop waits for Close. After the Source is closed it receives and drops messages, so that
// no sender blocks.
func (o *Output) RunOutputLoop() {
	select {
	case <-o.ended:
	case <-o.source.gone:
		for range o.messages {
			o.source.dropped.Add(1)
		}
	}
}

// Close ends the Output. No message may be sent afterwards. The Source ends after the last message.
func (o *Output) Close() {
	o.once.Do(func() {
		close(o.ended)
		close(o.messages)
	})
}

// Source returns the Source of the messages. It is always the same Source, for one pipeline.
func (o *Output) Source() capture.Source { return o.source }

// outputSource is the pipeline's side of an Output.
type outputSource struct {
	messages chan []byte
	slab     slab
	gone     chan struct{} // closed by Close
	once     sync.Once
	dropped  atomic.Uint64
}

var (
	_ capture.DropCounter = (*outputSource)(nil)
	_ capture.LiveSource  = (*outputSource)(nil)
)

// ReadBatch waits for one message and also returns those already in the channel.
func (s *outputSource) ReadBatch(b *capture.Batch) error {
	b.Reset()
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
		s.slab.add(m)
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
			s.slab.add(m)
		default:
			return
		}
	}
}

// Live returns true.
func (s *outputSource) Live() bool { return true }

// Drops returns the number of messages sent after Close.
func (s *outputSource) Drops() uint64 { return s.dropped.Load() }

// Close makes ReadBatch return [capture.ErrClosed].
func (s *outputSource) Close() error {
	s.once.Do(func() { close(s.gone) })
	return nil
}

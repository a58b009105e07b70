// Package mirror copies the messages of a program's dnstap logger to several outputs of
// golang-dnstap (github.com/dnstap/golang-dnstap). A DNS server that writes dnstap to a file or a
// collector keeps doing so, and a pipeline of visor receives the same messages:
//
//	file, err := godnstap.NewFrameStreamOutputFromFilename("queries.dnstap")
//	…
//	visor := dnstap.NewOutput() // visor/capture/dnstap
//	out := mirror.New(file, visor)
//	go out.RunOutputLoop()
//	logger.ReadInto(out.GetOutputChannel())
//
// A message costs one send on a channel per output. A slow output delays the others; an output that
// has failed does not, and the messages that it misses are counted.
//
// A program that does not import this package does not link golang-dnstap.
package mirror

import (
	"sync"
	"sync/atomic"

	godnstap "github.com/dnstap/golang-dnstap"

	"visor/capture/dnstap"
)

// depth is the number of messages that wait at most.
const depth = 32

// Output sends each message to several outputs. It is safe for concurrent use.
type Output struct {
	messages chan []byte
	targets  []target
	once     sync.Once
	ended    chan struct{} // closed when the loop has ended
	missed   atomic.Uint64
}

type target struct {
	godnstap.Output
	failed chan struct{} // closed when its loop has ended
}

var (
	_ godnstap.Output = (*Output)(nil)
	_ godnstap.Output = (*dnstap.Output)(nil)
)

// New returns an Output that sends to outputs. It takes ownership of them: it runs their loops and
// closes them.
func New(outputs ...godnstap.Output) *Output {
	o := &Output{messages: make(chan []byte, depth), ended: make(chan struct{})}
	for _, out := range outputs {
		o.targets = append(o.targets, target{out, make(chan struct{})})
	}
	return o
}

// GetOutputChannel returns the channel for messages: frames as protobuf. The sender must not change
// a message afterwards: all outputs read its memory.
func (o *Output) GetOutputChannel() chan []byte { return o.messages }

// RunOutputLoop runs the loops of all outputs, and sends messages until Close.
func (o *Output) RunOutputLoop() {
	defer close(o.ended)
	var loops sync.WaitGroup
	for _, t := range o.targets {
		loops.Go(func() {
			defer close(t.failed)
			t.RunOutputLoop()
		})
	}
	for message := range o.messages {
		for _, t := range o.targets {
			select {
			case t.GetOutputChannel() <- message:
			case <-t.failed:
				o.missed.Add(1)
			}
		}
	}
	for _, t := range o.targets {
		t.Close()
	}
	loops.Wait()
}

// Missed returns the number of messages that an output did not receive because its loop had ended.
// The loop of golang-dnstap's output for files ends after an error. A message counts once for each
// output that missed it.
func (o *Output) Missed() uint64 { return o.missed.Load() }

// Close closes all outputs behind the last message, and waits for RunOutputLoop, which must have
// been called. Nothing may be sent any more.
func (o *Output) Close() {
	o.once.Do(func() { close(o.messages) })
	<-o.ended
}

package benchmarks

import (
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/decode/dnsmsg"
)

// stages holds the stages in front of every analyzer: decoding a batch of frames, then reading its
// DNS messages.
type stages struct {
	dec     *decode.Decoder
	packets []decode.Packet
	name    []byte
	bad     uint64 // frames and messages with errors
}

func newStages() *stages {
	return &stages{dec: decode.NewDecoder(decode.Config{}), packets: make([]decode.Packet, capture.BatchSize)}
}

// decode returns the packets of one batch, valid until the next.
func (s *stages) decode(frames []capture.Frame) []decode.Packet {
	s.dec.Reset()
	batch := s.packets[:len(frames)]
	for i := range frames {
		f, p := &frames[i], &batch[i]
		p.TimeNS, p.Frame, p.WireLen, p.Link = f.TimeNS, f.Data, f.WireLen, f.Link
		if s.dec.Decode(p) != nil {
			s.bad++
		}
	}
	return batch
}

// questions reads the questions of all DNS messages over UDP and returns the number of messages.
func (s *stages) questions(batch []decode.Packet) (messages uint64) {
	for i := range batch {
		p := &batch[i]
		if !p.Layers.Has(decode.LayerUDP) || p.Src.Port() != 53 && p.Dst.Port() != 53 {
			continue
		}
		msg, err := dnsmsg.Parse(p.Payload)
		if err != nil {
			s.bad++
			continue
		}
		if s.name, _, err = msg.AppendCanonical(s.name[:0]); err != nil {
			s.bad++
			continue
		}
		messages++
	}
	return messages
}

// batches calls f with all frames, one batch at a time.
func batches(frames []capture.Frame, f func([]capture.Frame)) {
	for len(frames) > 0 {
		n := min(capture.BatchSize, len(frames))
		f(frames[:n])
		frames = frames[n:]
	}
}

func BenchmarkDecode(b *testing.B) {
	frames, truth := varied()
	s := newStages()
	var udp uint64
	perPacket(b, len(frames), func() {
		udp = 0
		batches(frames, func(f []capture.Frame) {
			for i := range s.decode(f) {
				if s.packets[i].Layers.Has(decode.LayerUDP) {
					udp++
				}
			}
		})
	})
	require.Zero(b, s.bad)
	require.Equal(b, truth.UDP, udp)
}

func BenchmarkDecodeQuestion(b *testing.B) {
	frames, truth := varied()
	s := newStages()
	var messages uint64
	perPacket(b, len(frames), func() {
		messages = 0
		batches(frames, func(f []capture.Frame) { messages += s.questions(s.decode(f)) })
	})
	require.Zero(b, s.bad)
	require.Equal(b, truth.DNSQueries+truth.DNSResponses, messages)
}

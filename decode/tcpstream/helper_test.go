package tcpstream_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode/tcpstream"
)

const (
	fin, syn, rst, ack = tcpstream.FIN, tcpstream.SYN, tcpstream.RST, tcpstream.ACK

	ms  = int64(1e6)
	sec = int64(1e9)
)

// step is a segment to feed from a (direction 0) or b (direction 1), modified by its methods.
type step tcpstream.Segment

func a(seq uint32, payload string) step { return step{Key: 1, Seq: seq, Payload: []byte(payload)} }

func b(seq uint32, payload string) step {
	s := a(seq, payload)
	s.Dir = 1
	return s
}

func (s step) flag(f uint8) step { s.Flags |= f; return s }
func (s step) wire(n int) step   { s.WireLen = n; return s }
func (s step) at(ns int64) step  { s.TimeNS = ns; return s }
func (s step) key(k uint64) step { s.Key = k; return s }
func (s step) ack(n uint32) step { s.Ack = n; return s.flag(ack) }

// read returns the pending events as text.
func read[S any](as *tcpstream.Assembler[S]) (events []string) {
	for as.Next() {
		ev := as.Event()
		text := fmt.Sprint(ev.Dir)
		if ev.Key != 1 {
			text = fmt.Sprintf("key %d %d", ev.Key, ev.Dir)
		}
		switch ev.Kind {
		case tcpstream.Open:
			text += " open"
			if ev.Start {
				text += " start"
			}
		case tcpstream.Data:
			text += " " + string(ev.Data)
		case tcpstream.Gap:
			text += fmt.Sprintf(" gap %d", ev.Lost)
		case tcpstream.End:
			text += " end"
		}
		events = append(events, text)
	}
	return events
}

// play feeds the steps and returns the events.
func play[S any](as *tcpstream.Assembler[S], steps ...step) (events []string) {
	for _, s := range steps {
		as.Feed(tcpstream.Segment(s))
		events = append(events, read(as)...)
	}
	return events
}

// flush ends all connections and returns the events.
func flush[S any](t *testing.T, as *tcpstream.Assembler[S]) []string {
	as.Flush()
	events := read(as)
	require.Zero(t, as.Len())
	require.Zero(t, as.Buffered())
	return events
}

// scenario is a conversation with its expected events.
type scenario struct {
	name  string
	cfg   tcpstream.Config[int]
	steps []step
	want  []string                       // events while the steps are fed
	flush []string                       // events of Flush
	check func(tcpstream.Stats) []uint64 // counters that show the reason, or nil
	count []uint64                       // their values
}

// run plays each scenario unchanged and again near the end of sequence space: results must not
// depend on the initial sequence numbers.
func run(t *testing.T, tests []scenario) {
	for _, tt := range tests {
		for _, shift := range []uint32{0, 1<<31 - 15, ^uint32(0) - 10} {
			t.Run(fmt.Sprintf("%s/%d", tt.name, shift), func(t *testing.T) {
				as := tcpstream.New(tt.cfg)
				steps := make([]step, len(tt.steps))
				for i, s := range tt.steps {
					if s.Flags&rst == 0 || s.Seq != 0 {
						s.Seq += shift
					}
					s.Ack += shift
					steps[i] = s
				}
				require.Equal(t, tt.want, play(as, steps...))
				require.Equal(t, tt.flush, flush(t, as))
				if tt.check != nil {
					require.Equal(t, tt.count, tt.check(as.Stats()))
				}
			})
		}
	}
}

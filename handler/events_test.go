package handler_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/handler"
	"visor/internal/packettest"
)

// judged is an analyzer whose events have all outcomes in turn. It only counts them.
type judged struct {
	handler.Declared[judgedMetrics]
}

type judgedMetrics struct {
	handler.EventCounts  `with:"what=pairs of packets events=events deep=deep rate=pps filtered=filtered group="`
	handler.PassedCounts `with:"what=pairs of packets total=total rate=total group="`
}

func newJudged(s handler.Settings) (handler.Handler, error) {
	d, err := handler.Declare[judgedMetrics](handler.Spec{Type: "judged"}, s)
	return &judged{d}, err
}

func (h *judged) NewShard() handler.Shard { return &judgedShard{Base: h.NewBase()} }

type judgedShard struct {
	handler.Base[judgedMetrics]
	n int
}

func (s *judgedShard) Process(b *handler.Batch) {
	for i := range b.Packets {
		if s.n++; s.n%7 == 0 {
			s.Events.Ignored++
			continue
		}
		s.Enter(b.Packets[i].TimeNS)
		s.Events.Offered++
		switch s.n % 7 {
		case 1:
			s.Events.Undecodable++
		case 2:
			s.Events.Filtered++
			s.Events.DeepLost++
		case 3: // not sampled
		default:
			s.Events.Deep++
		}
	}
}

// Base counts the account and the common metrics of events. The handler only states outcomes.
func TestEvents(t *testing.T) {
	var frames []capture.Frame
	for i := range 70 {
		frames = append(frames, packettest.UDP(time.Duration(i/35)*time.Second, "192.0.2.1:5000", "192.0.2.2:5001", nil))
	}
	h, err := newJudged(handler.Settings{})
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{capture.NewMemory(frames)}, Handlers: []handler.Handler{h}})
	require.NoError(t, err)
	require.NoError(t, p.Run(context.Background()))
	want := handler.Account{Offered: 70, Analysed: 30, Filtered: 20, NotSampled: 10, Undecodable: 10}
	require.Equal(t, want, p.HandlerAccounts()["judged"])
	s, err := p.Bucket(0)
	require.NoError(t, err)
	m := handler.Find[judgedMetrics](s)
	require.Equal(t, []uint64{60, 40, 10, 40}, []uint64{m.Events.Value(), m.DeepSamples.Value(), m.Filtered.Value(), m.Total.Value()})
	for _, v := range s.Modules[0].Values() {
		require.Contains(t, v.Help, "pairs of packets")
		switch v.Prom {
		case "judged_rates_pps":
			require.Equal(t, 30.0, v.Quantiles.Max)
		case "judged_rates_total":
			require.Equal(t, 20.0, v.Quantiles.Max)
		}
	}
}

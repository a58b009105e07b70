package handler_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/handler"
	"visor/handler/dns"
)

// Closed periods have the outcomes of their input. They travel, and add up to the account of the
// pipeline: not more for each period, and nothing twice.
func TestInputOfClosedPeriods(t *testing.T) {
	frames := steadily(35)
	for i := range frames {
		if i%5 == 4 {
			frames[i].Data = frames[i].Data[:17] // too short for its headers
		}
	}
	names, err := dns.New(dns.Config{Settings: handler.Settings{Periods: 2}})
	require.NoError(t, err)
	var sum handler.Merger
	periods := 0
	p, err := handler.NewPipeline(handler.Config{
		Sources: []capture.Source{capture.NewMemory(frames)}, Period: 10 * time.Second, Handlers: []handler.Handler{names},
		Closed: func(s *handler.Snapshot) {
			periods++
			require.LessOrEqual(t, s.Input.Account.Offered, uint64(12))
			got := read(t, s, handler.Origin{Agent: "a"})
			require.Equal(t, s.Input, got.Input)
			require.NoError(t, sum.Add(got, handler.Origin{}))
		},
	})
	require.NoError(t, err)
	require.NoError(t, p.Run(context.Background()))
	require.Equal(t, 4, periods)
	require.EqualValues(t, 7, p.Account().Undecodable)
	require.NotEmpty(t, p.Reasons())
	require.Equal(t, handler.Input{Account: p.Account(), Reasons: p.Reasons()}, sum.Snapshot().Input)
}

// An Input has a bounded number of texts, and no count gets lost.
func TestInputIsBounded(t *testing.T) {
	var in handler.Input
	for i := range 1000 {
		in.Add(handler.Input{Reasons: []capture.Reason{{Text: fmt.Sprint("cause ", i), Count: uint64(i + 1)}}})
	}
	in.Add(handler.Input{Reasons: []capture.Reason{{Text: "cause 999", Count: 1}}})
	require.Len(t, in.Reasons, 256)
	total := uint64(0)
	for _, r := range in.Reasons {
		total += r.Count
	}
	require.EqualValues(t, 1000*1001/2+1, total)
	require.Equal(t, "other reasons", in.Reasons[0].Text)
	require.Equal(t, capture.Reason{Text: "cause 999", Count: 1001}, in.Reasons[1])
}

// causes is a source without frames that has reasons.
type causes struct {
	*capture.Memory
	reasons []capture.Reason
}

func (c *causes) Reasons() []capture.Reason { return c.reasons }

// The reasons of a pipeline are bounded, and no count falls when another cause becomes frequent.
func TestReasonsNeverFall(t *testing.T) {
	src := &causes{Memory: capture.NewMemory(nil)}
	for i := range 1000 {
		src.reasons = append(src.reasons, capture.Reason{Text: fmt.Sprint("cause ", i), Count: uint64(1000 - i)})
	}
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{src}})
	require.NoError(t, err)
	counts := func() (sum uint64, out map[string]uint64) {
		out = make(map[string]uint64)
		for _, r := range p.Reasons() {
			out[r.Text] = r.Count
			sum += r.Count
		}
		require.Len(t, out, 256)
		return sum, out
	}
	_, before := counts()
	src.reasons[999].Count += 1_000_000
	sum, after := counts()
	require.EqualValues(t, 1000*1001/2+1_000_000, sum)
	for text, n := range before {
		require.GreaterOrEqual(t, after[text], n, text)
	}
}

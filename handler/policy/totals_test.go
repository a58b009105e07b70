package policy_test

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/handler"
	"visor/handler/policy"
)

// totalOf returns a total of the first module of r that has it.
func totalOf(totals []handler.Totals, name string) uint64 {
	for _, t := range totals {
		for _, s := range t.Sums {
			if s.Name == name {
				return s.Count
			}
		}
	}
	return 0
}

// A policy that replaces another continues its totals, of handlers that both have. The former one
// keeps its own.
func TestTotalsContinue(t *testing.T) {
	m, in := manager(t)
	former := add(t, m, counting("a"))
	in.feeds[0].frames <- packets(10)
	in.feeds[0].frames <- nil
	next := counting("a")
	next.Modules = next.Modules[:1]
	r, err := m.ReplacePolicy(next)
	require.NoError(t, err)
	in.feeds[0].frames <- packets(5)
	in.feeds[0].frames <- nil
	require.EqualValues(t, 10, totalOf(former.Totals(), "observed_events_total"))
	require.EqualValues(t, 15, totalOf(r.Totals(), "observed_events_total"))
	name := r.Totals()[0].Name
	require.EqualValues(t, 10, former.Accounts()[name].Offered)
	require.EqualValues(t, 15, r.Accounts()[name].Offered)
	require.EqualValues(t, 15, r.Accounts()[name].Analysed)
	require.True(t, former.Replaced())
	require.False(t, r.Replaced())
	require.Len(t, r.Totals(), 1, "dns is gone")
	require.Len(t, r.Accounts(), 1)
	require.Equal(t, former.Totals()[0].Since, r.Totals()[0].Since)

	_, err = m.ReplacePolicy(policy.Policy{Name: "a", Input: next.Input, Modules: []policy.Module{{Name: "flow", Type: "flow"}}})
	require.Error(t, err)
	in.feeds[0].frames <- packets(5)
	in.feeds[0].frames <- nil
	require.EqualValues(t, 20, totalOf(m.Policy("a").Totals(), "observed_events_total"), "it goes on")

	require.NoError(t, m.RemovePolicy("a"))
	again := add(t, m, counting("a"))
	require.Zero(t, totalOf(again.Totals(), "observed_events_total"), "a new policy begins at 0")
}

// A reader of the totals never sees one become less while policies are replaced under traffic.
func TestTotalsGrow(t *testing.T) {
	m, in := manager(t)
	add(t, m, counting("a"))
	feed := in.feeds[0]
	var over atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !over.Load() {
			feed.frames <- packets(7)
		}
	}()
	read := make(chan struct{})
	var fell []uint64
	go func() {
		defer close(read)
		for last := uint64(0); !over.Load(); {
			n := totalOf(m.Policy("a").Totals(), "observed_events_total")
			if n < last {
				fell = append(fell, last, n)
			}
			last = n
		}
	}()
	times := 50
	if testing.Short() {
		times = 10
	}
	for range times {
		_, err := m.ReplacePolicy(counting("a"))
		require.NoError(t, err)
	}
	over.Store(true)
	<-done
	<-read
	require.Empty(t, fell)
}

// Each event is counted by one of two policies that replace one another under traffic.
func TestTotalsExact(t *testing.T) {
	m, in := manager(t)
	add(t, m, counting("a"))
	feed, batch := in.feeds[0], packets(7)
	var over atomic.Bool
	sent := make(chan uint64)
	go func() {
		n := uint64(0)
		for ; !over.Load(); n += uint64(len(batch)) {
			feed.frames <- batch
		}
		feed.frames <- nil // taken when the batch before has been counted
		sent <- n
	}()
	for range 50 {
		_, err := m.ReplacePolicy(counting("a"))
		require.NoError(t, err)
	}
	over.Store(true)
	n, r := <-sent, m.Policy("a")
	require.Equal(t, n, totalOf(r.Totals(), "observed_events_total"))
	require.Equal(t, n, r.Accounts()["a-wired-net"].Offered)
	require.Len(t, in.feeds, 1)
}

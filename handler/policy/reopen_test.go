package policy_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
)

// failing is a source that fails on demand. It has lost a frame.
type failing struct {
	*feed
	fail chan error
}

func (f *failing) ReadBatch(b *capture.Batch) error {
	b.Reset()
	select {
	case err := <-f.fail:
		return err
	case frames := <-f.frames:
		b.Frames = append(b.Frames, frames...)
		return nil
	case <-f.closed:
		return capture.ErrClosed
	}
}

func (f *failing) Drops() uint64 { return 1 }

// TestInputIsOpenedAgain has an input that fails and cannot be reopened for a minute. That minute
// is empty. Then the input continues, and its earlier counts stay.
func TestInputIsOpenedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var now *failing
		missing := error(nil)
		m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog(), Open: func(string, policy.Options, policy.Options) (policy.Opened, error) {
			mu.Lock()
			defer mu.Unlock()
			now = &failing{newFeed(), make(chan error)}
			return policy.Opened{Sources: []capture.Source{now}}, missing
		}})
		defer m.Close()
		require.NoError(t, m.AddTap(policy.Tap{Name: "wired", InputType: "pcap"}))
		r := add(t, m, counting("a"))
		part := &r.Parts[0]
		now.frames <- packets(10)
		now.frames <- nil
		require.Equal(t, uint64(10), eventsOf(t, r))

		mu.Lock()
		missing = errors.New("no such device")
		mu.Unlock()
		now.fail <- errors.New("interface is gone")
		synctest.Wait()
		require.ErrorContains(t, m.Down(), "interface is gone")
		time.Sleep(61 * time.Second)
		require.ErrorContains(t, m.Down(), "no such device")
		require.False(t, part.InputStatus().Running)
		require.Zero(t, eventsOf(t, r), "the minute after")

		mu.Lock()
		missing = nil
		mu.Unlock()
		m.Retry()
		synctest.Wait()
		require.NoError(t, m.Down())
		now.frames <- packets(5)
		now.frames <- nil
		require.Equal(t, uint64(5), eventsOf(t, r))
		require.Equal(t, policy.Outage{Gaps: 1, Down: 61 * time.Second}, part.Outage())
		require.Equal(t, []uint64{15, 2}, []uint64{part.Account().Analysed, part.Account().Dropped})

		now.fail <- errors.New("interface is gone")
		synctest.Wait()
		require.NoError(t, m.Close(), "while it is down")
	})
}

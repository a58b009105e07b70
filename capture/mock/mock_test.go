package mock_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/mock"
	"visor/decode"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/network"
)

// TestPace checks that frames arrive at the times of their timestamps and at the configured rate.
func TestPace(t *testing.T) {
	for _, cfg := range []mock.Config{{}, {PPS: 5_000, DNS: true}, {PPS: 5}} {
		synctest.Test(t, func(t *testing.T) {
			src := mock.New(cfg)
			const seconds = 60
			begun := time.Now()
			var b capture.Batch
			n, last := 0, begun.UnixNano()
			for time.Since(begun) < seconds*time.Second {
				require.NoError(t, src.ReadBatch(&b))
				require.NotEmpty(t, b.Frames)
				n += len(b.Frames)
				for _, f := range b.Frames {
					if f.TimeNS < last {
						t.Fatalf("%d ns comes after %d ns", f.TimeNS, last)
					}
					last = f.TimeNS
				}
				require.LessOrEqual(t, last, time.Now().UnixNano(), "nothing comes before its time")
			}
			pps := cfg.PPS
			if pps == 0 {
				pps = 1000
			}
			require.InEpsilon(t, pps*seconds, n, 0.2)
		})
	}
}

// TestBorrowedMemory compares each frame of a batch with its bytes at the time of generation.
func TestBorrowedMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, other := mock.New(mock.Config{PPS: 100_000, Seed: 7}), mock.New(mock.Config{PPS: 100_000, Seed: 7})
		var a, b capture.Batch
		time.Sleep(time.Second)
		for range 20 {
			require.NoError(t, one.ReadBatch(&a))
			require.NoError(t, other.ReadBatch(&b))
			require.Equal(t, a.Frames, b.Frames)
			require.Len(t, a.Frames, capture.BatchSize)
			d := decode.NewDecoder(decode.Config{})
			for _, f := range a.Frames {
				p := decode.Packet{TimeNS: f.TimeNS, Frame: f.Data, WireLen: f.WireLen, Link: f.Link}
				require.NoError(t, d.Decode(&p))
			}
		}
	})
}

// The mix has all kinds of traffic, in both directions, and nothing that cannot be decoded.
func TestMix(t *testing.T) {
	queries, err := dns.New(dns.Config{})
	require.NoError(t, err)
	packets, err := network.New(network.Config{})
	require.NoError(t, err)
	own, err := decode.ParseNetSet(mock.LocalNets)
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		p, err := handler.NewPipeline(handler.Config{
			Sources: []capture.Source{mock.New(mock.Config{})}, Handlers: []handler.Handler{queries, packets}, Hosts: own,
		})
		require.NoError(t, err)
		ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
		defer stop()
		require.NoError(t, p.Run(ctx))
		require.Zero(t, p.Account().Undecodable)
		snap, err := p.Bucket(0)
		require.NoError(t, err)
		n := network.From(snap)
		for name, c := range map[string]uint64{
			"TCP": n.TCP.Value(), "UDP": n.UDP.Value(), "other": n.OtherL4.Value(), "IPv6": n.IPv6.Value(), "in": n.In.Value(), "out": n.Out.Value(),
		} {
			require.Greater(t, c, uint64(500), name)
		}
		d := dns.From(snap)
		require.Greater(t, d.Trans.Value(), uint64(5000))
		require.InEpsilon(t, 0.1, float64(d.NXDomain.Value())/float64(d.Replies.Value()), 0.3)
		require.Greater(t, d.TCP.Value(), uint64(50))
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := mock.New(mock.Config{PPS: 0.001})
		var b capture.Batch
		require.NoError(t, src.ReadBatch(&b), "the first one comes soon")
		ended := make(chan error)
		go func() {
			for {
				if err := src.ReadBatch(&b); err != nil {
					ended <- err
					return
				}
			}
		}()
		synctest.Wait()
		require.NoError(t, src.Close())
		require.NoError(t, src.Close(), "twice")
		require.ErrorIs(t, <-ended, capture.ErrClosed)
	})
}

func Example() {
	queries, err := dns.New(dns.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	src := mock.New(mock.Config{PPS: 10_000, DNS: true})
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{src}, Handlers: []handler.Handler{queries}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer stop()
	if err := p.Run(ctx); err != nil {
		fmt.Println(err)
		return
	}
	snap, err := p.Bucket(0)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(dns.From(snap).Queries.Value() > 100)
	// Output: true
}

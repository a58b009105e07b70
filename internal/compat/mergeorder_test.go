package compat_test

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/handler"
	"visor/handler/metric"
	"visor/internal/racetest"
	"visor/internal/trafficgen"
	"visor/sketch/hash64"
)

// TestMergeOrder splits generated traffic at random over up to 8 pipelines. Their snapshots travel
// with a random number of entries, and are merged in a random order, also sums of sums. All of
// visor's own groups are on. The sum agrees with one pipeline that saw everything.
func TestMergeOrder(t *testing.T) {
	own, err := decode.ParseNetSet(trafficgen.LocalNets)
	require.NoError(t, err)
	runs, compared := 12, 0
	if testing.Short() || racetest.Enabled {
		runs = 1
	}
	for seed := range uint64(runs) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		cfg := trafficgen.Mixed(8000)
		if seed%3 == 2 {
			cfg = trafficgen.RandomLabelAttack(8000, 50)
		}
		cfg.Seed = seed
		whole := analyse(t, trafficgen.NewSource(cfg), own)
		sum := mergeAtRandom(t, rnd, partsOf(t, rnd, cfg, own))
		for i := range whole.Modules {
			agree(t, &whole.Modules[i], &sum.Modules[i])
			compared += agreeDistinct(t, &whole.Modules[i], &sum.Modules[i])
			require.Equal(t, whole.Modules[i].Frames, sum.Modules[i].Frames, "seed %d", seed)
		}
	}
	require.Greater(t, compared, 100*runs)
}

// partsOf returns the answers for parts of generated traffic, flow by flow.
func partsOf(t *testing.T, rnd *rand.Rand, cfg trafficgen.Config, own decode.NetSet) []*handler.Snapshot {
	var key hash64.Key
	key[0] = byte(rnd.Uint32())
	queues := capture.Fanout(trafficgen.NewSource(cfg), capture.FanoutConfig{Queues: 1 + rnd.IntN(8), Hash: hash64.New(key)})
	all := make([]*handler.Snapshot, len(queues))
	var running sync.WaitGroup
	for i, queue := range queues {
		running.Go(func() { all[i] = analyse(t, queue, own) })
	}
	running.Wait()
	return all
}

// mergeAtRandom merges snapshots two by two, in any order. Each travels before it is merged.
func mergeAtRandom(t *testing.T, rnd *rand.Rand, all []*handler.Snapshot) *handler.Snapshot {
	travel := func(s *handler.Snapshot) *handler.Snapshot {
		data, err := s.AppendBinary(nil, handler.Origin{}, []int{0, 24, 64, handler.DefaultEntries}[rnd.IntN(4)])
		require.NoError(t, err)
		out, err := handler.ReadSnapshot(data)
		require.NoError(t, err)
		return out
	}
	for len(all) > 1 {
		rnd.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
		sum, err := handler.Merge(travel(all[0]), travel(all[1]))
		require.NoError(t, err)
		all = append(all[2:], sum)
	}
	return travel(all[0])
}

// agreeDistinct compares the lists of distinct names and clients, within five standard errors.
func agreeDistinct(t *testing.T, whole, sum *handler.Module) (compared int) {
	const slack = 1 + 5*0.065
	got := make(map[string]metric.Value)
	for _, v := range sum.Values() {
		got[strings.Join(v.Path, "/")] = v
	}
	for _, w := range whole.Values() {
		if !w.Distinct {
			continue
		}
		g := got[strings.Join(w.Path, "/")]
		found := make(map[string]uint64)
		for _, item := range g.Items {
			found[item.Name] = item.Estimate
		}
		for _, item := range w.Items[:min(len(w.Items), 100)] { // the lists of parts may be full
			compared++
			require.LessOrEqual(t, float64(found[item.Name]), float64(item.Estimate)*slack+2, "%v %s", w.Path, item.Name)
			require.GreaterOrEqual(t, float64(found[item.Name]+g.Error)*slack+2, float64(item.Estimate), "%v %s", w.Path, item.Name)
		}
	}
	return compared
}

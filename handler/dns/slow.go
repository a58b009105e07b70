package dns

import (
	"sync"

	"visor/decode"
	"visor/sketch"
)

// levels are the slowness thresholds of transactions in µs, by decode.Direction. A level is 0 until
// a period with transactions has closed.
type levels [3]int64

// slowness computes the levels of each period: the 90th percentile of the previous period over all
// workers. It is safe for concurrent use.
type slowness struct {
	mu    sync.Mutex
	times [3]sketch.Quantile // times reported for the period before the latest
	// the latest period, and the previous one, in which other workers may still be
	periods [2]struct {
		start int64
		levels
	}
}

// begin begins a period, unless another worker has already done so.
func (s *slowness) begin(startNS int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if latest := &s.periods[0]; startNS != latest.start {
		s.periods[1] = *latest
		latest.start = startNS
		for i := range s.times {
			s.times[i].Reset()
		}
	}
}

// report adds a worker's times to the period that has closed. All workers of a recording report
// before they continue. Workers of a live pipeline report within moments.
func (s *slowness) report(dir decode.Direction, times *sketch.Quantile) {
	if times.Count() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times[dir].Merge(times)
	s.periods[0].levels[dir] = int64(s.times[dir].Quantile(0.9))
}

// at returns the levels of the period that begins at startNS.
func (s *slowness) at(startNS int64) levels {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.periods[1].start == startNS {
		return s.periods[1].levels
	}
	return s.periods[0].levels
}

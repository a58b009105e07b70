package handler

import (
	"visor/handler/anonymize"
	"visor/sketch/hash64"
)

// Settings are the options common to all handlers. The zero Settings is ready to use.
type Settings struct {
	Name    string   // instance name; "" means the handler's type
	Tap     string   // source of its events; empty if all events come from one tap
	Enable  []string // metric groups switched on; see [metric.GroupNames.Resolve]
	Disable []string // metric groups switched off before Enable is applied

	// PktvisorGroups leaves groups that pktvisor lacks off, unless Enable names them. Policy
	// documents set it, so that pktvisor's documents have pktvisor's answers. The groups of dns and
	// net that pktvisor lacks nearly double the time of a DNS packet: 450 ns instead of 250.
	PktvisorGroups bool

	// Anonymize replaces the addresses of hosts before they enter a list; nil shows them whole.
	// Locations, directions, filters, transactions and distinct counts use the whole addresses.
	Anonymize *anonymize.Method

	// DeepSample is the percentage of events sampled deeply, 1…100; 0 means 100.
	DeepSample int `policy:"deep_sample_rate" range:"1-100,cut" help:"percent of the events that the costlier metrics see"`
	// Periods is the number of buckets kept, including the live one: 1…10. 0 means 5; 1 never
	// closes the bucket.
	Periods int `policy:"num_periods" range:"1-10,cut" help:"periods kept, the live one included"`
	// TopN is the number of entries shown per list; 0 means 10.
	TopN int `policy:"topn_count" help:"entries shown of each list"`
	// TopPercentile ends lists at the first estimate below this percentile, 0…100.
	TopPercentile int `policy:"topn_percentile_threshold" range:"0-100" help:"lists end at the first estimate below this percentile of the list"`
}

// withDefaults returns s with defaults in place of zeros. It clamps Periods and DeepSample into
// their ranges, as pktvisor does.
func (s Settings) withDefaults(typ string) Settings {
	if s.Name == "" {
		s.Name = typ
	}
	s.Periods = clamp(s.Periods, 5, maxPeriods)
	s.DeepSample = clamp(s.DeepSample, 100, 100)
	if s.TopN <= 0 {
		s.TopN = 10
	}
	return s
}

// maxPeriods is the largest number of buckets that a handler keeps.
const maxPeriods = 10

func clamp(v, zero, high int) int {
	if v == 0 {
		return zero
	}
	return max(1, min(v, high))
}

// Sampler selects the events that are sampled deeply. Its sequence is fixed, so that a run can be
// repeated.
type Sampler struct {
	rate  uint64 // percent
	state uint64
	last  bool
}

// newSampler returns a Sampler that selects rate percent of the events.
func newSampler(rate int) Sampler {
	return Sampler{rate: uint64(rate), state: golden, last: true}
}

// golden is splitmix64's increment. pktvisor uses the same seed.
const golden = 0x9E3779B97F4A7C15

// Deep decides whether one event is sampled.
func (s *Sampler) Deep() bool {
	if s.rate < 100 {
		s.last = s.draw()%100 < s.rate
	}
	return s.last
}

// Last returns the latest decision, or true before the first. It is used to count filtered events.
func (s *Sampler) Last() bool { return s.last }

// draw is splitmix64, see [hash64.Mix].
func (s *Sampler) draw() uint64 {
	z := hash64.Mix(s.state)
	s.state += golden
	return z
}

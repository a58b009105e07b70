package handler

import (
	"errors"
	"fmt"
	"visor/handler/metric"
)

// Settings are valid for every handler. The zero Settings is ready to use.
type Settings struct {
	Name          string   // instance name; "" means the handler's type
	Tap           string   // where its events come from; "" if there is nothing to tell apart
	Periods       int      // buckets kept, 1…10, the live one included; 0 means 5; 1 never closes the bucket
	DeepSample    int      // per cent of the events that the costlier metrics see, 1…100; 0 means 100
	TopN          int      // entries shown per list; 0 means 10
	TopPercentile int      // 0…100: lists end at the first estimate below this percentile of the list
	Enable        []string // metric groups switched on; "all" for all
	Disable       []string // metric groups switched off before Enable is applied
}

// WithDefaults returns s with defaults in place of zeros and with Periods and DeepSample clamped
// into their ranges, as the reference does.
func (s Settings) WithDefaults(typ string) Settings {
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

// maxPeriods is how many buckets a handler can keep.
const maxPeriods = 10

func clamp(v, zero, high int) int {
	if v == 0 {
		return zero
	}
	return max(1, min(v, high))
}

// Declare returns the Info of a handler with settings s, and the Schema of its metrics M, or all that is wrong with either.
func Declare[M any](s Settings, typ, version, schema string, names metric.GroupNames, defaults metric.GroupSet) (Info, *metric.Schema[M], error) {
	info, err := s.Info(typ, version, schema, names, defaults)
	metrics, schemaErr := metric.NewSchema[M](schema, names)
	if schemaErr == nil {
		info.Metrics = metrics.Fields()
	}
	return info, metrics, errors.Join(err, schemaErr)
}

// Info checks s and returns the Info of a handler that has these settings. A handler without groups ignores those that s names, as in
// the reference.
func (s Settings) Info(typ, version, schema string, names metric.GroupNames, defaults metric.GroupSet) (Info, error) {
	if s.TopPercentile < 0 || s.TopPercentile > 100 {
		return Info{}, fmt.Errorf("threshold must be between 0 and 100 but has value %f", float64(s.TopPercentile)/100)
	}
	groups := defaults
	if len(names) > 0 {
		var err error
		if groups, err = names.Resolve(defaults, s.Enable, s.Disable); err != nil {
			return Info{}, err
		}
	}
	return Info{
		Name: s.Name, Tap: s.Tap, Type: typ, Version: version, Schema: schema,
		Periods: s.Periods, TopN: s.TopN, TopPercentile: s.TopPercentile,
		Groups: groups, Grouped: len(names) > 0,
	}, nil
}

// Sampler decides which events are sampled deeply: a fixed sequence, so that a run can be repeated.
type Sampler struct {
	rate  uint64 // per cent
	state uint64
	last  bool
}

// NewSampler returns a Sampler that says yes to rate per cent of the events.
func NewSampler(rate int) Sampler {
	return Sampler{rate: uint64(rate), state: golden, last: true}
}

// golden is splitmix64's increment: the seed that the reference uses as well.
const golden = 0x9E3779B97F4A7C15

// Deep draws for one event.
func (s *Sampler) Deep() bool {
	if s.rate < 100 {
		s.last = s.draw()%100 < s.rate
	}
	return s.last
}

// Last returns the latest decision, true before the first: filtered events are counted by it.
func (s *Sampler) Last() bool { return s.last }

// draw is splitmix64 (Steele, Lea, Flood, 2014).
func (s *Sampler) draw() uint64 {
	s.state += golden
	z := s.state
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

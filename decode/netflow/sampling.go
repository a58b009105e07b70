package netflow

import "math"

// sampling is what an exporter has said about how it samples: one of so many packets, for all, or by sampler.
type sampling struct {
	all      uint32 // 0 if it was not said
	samplers [maxSamplers]sampler
	known    uint8 // samplers
}

// maxSamplers is how many samplers of a source are remembered; the latest takes the place of the first.
const maxSamplers = 8

type sampler struct {
	id   uint64
	rate uint32
}

// learn notes what an options record says.
func (s *sampling) learn(r *record) {
	rate := r.stated()
	switch {
	case rate == 0:
	case !r.hasSampler:
		s.all = rate
	default:
		for i := range s.samplers[:s.known] {
			if s.samplers[i].id == r.sampler {
				s.samplers[i].rate = rate
				return
			}
		}
		if s.known == maxSamplers {
			s.known = 0
		}
		s.samplers[s.known] = sampler{r.sampler, rate}
		s.known++
	}
}

// rate returns the rate of a flow: what its record says, or the sampler that it names, or what holds for all.
func (s *sampling) rate(r *record) uint32 {
	if rate := r.stated(); rate != 0 {
		return rate
	}
	if r.hasSampler {
		for _, known := range s.samplers[:s.known] {
			if known.id == r.sampler {
				return known.rate
			}
		}
	}
	if s.all == 0 && !r.hasSampler && s.known == 1 { // the only one there is
		return s.samplers[0].rate
	}
	return s.all
}

// stated returns the rate that a record states: every n-th packet, n packets and a pause (RFC 5477 section 8.2), or n of N (section
// 8.2.5). 0 means that it says nothing.
func (r *record) stated() uint32 {
	rate := r.interval
	switch {
	case r.interval > 0 && r.space > 0:
		rate = (r.interval + r.space) / r.interval
	case r.interval == 0 && r.size > 0:
		rate = r.population / r.size
	}
	return uint32(min(rate, math.MaxUint32))
}

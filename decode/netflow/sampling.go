package netflow

import "math"

// sampling holds the sampling rates that an exporter has stated: one in n packets, for all records
// or by sampler.
type sampling struct {
	all      rate // for records that name no sampler
	samplers []sampler
	oldest   int // index of the sampler to replace in a full list
}

// maxSamplers is how many samplers of a source are remembered; a new one replaces the oldest.
const maxSamplers = 8

type sampler struct {
	id uint64
	rate
}

// rate is a sampling rate. The zero rate means not stated.
type rate struct {
	n     uint32
	whole bool // stated in domain 0, which is the whole exporter
}

// set replaces a rate, unless the old rate was stated for the whole exporter and n was not.
func (r *rate) set(n uint32, whole bool) {
	if whole || !r.whole {
		*r = rate{n, whole}
	}
}

// learn stores the rate of an options record. whole is true if the record is from domain 0.
func (s *sampling) learn(r *record, whole bool) {
	n := r.stated()
	if !r.hasSampler {
		s.all.set(n, whole)
		return
	}
	if known := s.find(r.sampler); known != nil {
		known.set(n, whole)
		return
	}
	added := sampler{r.sampler, rate{n, whole}}
	if len(s.samplers) < maxSamplers {
		s.samplers = append(s.samplers, added)
		return
	}
	s.samplers[s.oldest] = added
	s.oldest = (s.oldest + 1) % maxSamplers
}

func (s *sampling) find(id uint64) *sampler {
	for i := range s.samplers {
		if s.samplers[i].id == id {
			return &s.samplers[i]
		}
	}
	return nil
}

// empty reports whether no rate was stated.
func (s *sampling) empty() bool { return s.all.n == 0 && len(s.samplers) == 0 }

// of returns the rate of a record: its sampler's, or the rate for all. A record that names no
// sampler is not scaled by any sampler, because exporters send sampled and whole flows side by
// side.
func (s *sampling) of(r *record) uint32 {
	if r.hasSampler {
		if known := s.find(r.sampler); known != nil {
			return known.n
		}
	}
	return s.all.n
}

// stated returns the rate that a record states: every n-th packet, n packets and a pause (RFC 5477
// section 8.2), or n of N (section 8.2.5). 0 means that it states none.
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

// rate returns the rate of a flow as stated by its record, else by its domain, else by any domain
// of the exporter. Cisco's line cards export flows under their own source ids, but the route
// processor states the rate. IPFIX states rates for the whole exporter under domain 0 (RFC 7011
// section 3.1).
func (d *Decoder) rate(r *record) uint32 {
	if n := r.stated(); n != 0 {
		return n
	}
	own := &d.src.sampling
	if n := own.of(r); n != 0 || d.shared == nil || !r.hasSampler && !own.empty() {
		return n
	}
	return d.shared.sampling.of(r)
}

// learnRate stores the rate of an options record for its domain and for the others of its exporter.
func (d *Decoder) learnRate(r *record) {
	if r.stated() == 0 {
		return
	}
	if d.shared == nil {
		d.shared = d.sources.at(d.src.key.exporter())
		d.sources.find(d.src.key) // it stays the newest
	}
	whole := d.src.key.number == 0
	d.src.sampling.learn(r, whole)
	d.shared.sampling.learn(r, whole)
}

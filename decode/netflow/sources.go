package netflow

import (
	"unsafe"

	"visor/decode"
)

// sourceKey identifies one observation domain of an exporter, or the state that applies to all its
// domains. An exporter is a session: several share one address behind NAT, and IPFIX scopes state
// to the transport session (RFC 7011 section 8).
type sourceKey struct {
	session decode.FlowSession
	number  uint32 // observation domain, source id or engine; 0 if all is set
	version uint8  // version of the protocol
	all     bool   // for all domains: it has only sampling rates
}

// exporter returns the key of the state that applies to all domains of the exporter.
func (k sourceKey) exporter() sourceKey {
	return sourceKey{session: k.session, version: k.version, all: true}
}

// source is the state of one observation domain of an exporter.
type source struct {
	key       sourceKey
	templates map[uint16]*template
	sampling  sampling
	sequence  sequence
	lostSets  uint32 // to be reported with the next datagram
	heldSince int64  // time of its oldest held set, or an earlier one; never without one
	used      int    // bytes

	older, newer *source // in the order of use
}

// The memory of a source and of a template in addition to their fields: their place in a map, and
// the map itself.
const (
	sourceBytes   = int(unsafe.Sizeof(source{})+2*unsafe.Sizeof(sourceKey{})+maxSamplers*unsafe.Sizeof(sampler{})) + 256
	templateBytes = int(unsafe.Sizeof(template{})) + 64
)

// maxTemplates is how many templates a source may have, so that no source evicts all others.
const maxTemplates = 1024

// sources stores sources within a budget in bytes. The least recently used source is evicted first,
// with all its templates.
type sources struct {
	max, used int // bytes
	byKey     map[sourceKey]*source
	// a ring: order.newer is the least recently used source, order.older the most recently
	order   source
	open    *source // the source of the current datagram, which is never evicted
	evicted uint64  // templates and sources
}

func newSources(max int) *sources {
	s := &sources{max: max, byKey: make(map[sourceKey]*source)}
	s.order.older, s.order.newer = &s.order, &s.order
	return s
}

// find returns a source, or nil. Most datagrams come from the source of the one before.
func (s *sources) find(key sourceKey) *source {
	if last := s.order.older; last.key == key && last != &s.order {
		return last
	}
	src := s.byKey[key]
	if src != nil {
		src.unlink()
		s.append(src)
	}
	return src
}

// at returns a source and creates it if needed.
func (s *sources) at(key sourceKey) *source {
	if src := s.find(key); src != nil {
		return src
	}
	src := &source{key: key, heldSince: never}
	s.byKey[key] = src
	s.append(src)
	s.charge(src, sourceBytes)
	return src
}

// charge adds bytes to the memory of src and makes room for them.
func (s *sources) charge(src *source, bytes int) {
	src.used += bytes
	s.used += bytes
	for s.used > s.max && s.order.newer != s.open && s.order.newer != src {
		s.evict(s.order.newer)
	}
}

func (s *sources) evict(src *source) {
	src.unlink()
	delete(s.byKey, src.key)
	s.used -= src.used
	s.evicted += uint64(1 + len(src.templates))
}

// put stores t as the template of src under a number.
func (s *sources) put(src *source, id uint16, t *template) {
	s.drop(src, id)
	if src.templates == nil {
		src.templates = make(map[uint16]*template)
	}
	for other := range src.templates { // evicts any template: real exporters have fewer
		if len(src.templates) < maxTemplates && src.used+t.bytes() <= s.max {
			break
		}
		s.drop(src, other)
		s.evicted++
	}
	src.templates[id] = t
	s.charge(src, t.bytes())
}

// drop removes a template of src.
func (s *sources) drop(src *source, id uint16) {
	if t := src.templates[id]; t != nil {
		delete(src.templates, id)
		src.used -= t.bytes()
		s.used -= t.bytes()
	}
}

// append makes src the most recently used source.
func (s *sources) append(src *source) {
	src.older, src.newer = s.order.older, &s.order
	src.older.newer, src.newer.older = src, src
}

func (src *source) unlink() { src.older.newer, src.newer.older = src.newer, src.older }

package netflow

import (
	"cmp"
	"encoding/binary"
	"slices"

	"visor/internal/hash64"
)

// maxFields is how many fields a template may have; real ones have some dozens.
const maxFields = 1024

// template says where in a record the fields are that matter.
type template struct {
	ops     []op
	lengths []uint16 // of all fields, if one of them is of variable length; nil else
	length  int      // of a record; the least that it can be if lengths is set
	options bool
}

// op takes a field out of a record. Where several give the same, the best comes last.
type op struct {
	at   uint16 // offset in the record; number of the field if the template has lengths
	len  uint16
	kind kind
}

// kind is what a field is good for. Kinds that fill the same field of a flow stand in ascending order of preference.
type kind uint8

const (
	kindNone kind = iota
	kindSrc6
	kindDst6
	kindSrc4
	kindDst4
	kindSrcPort
	kindDstPort
	kindProto
	kindToS
	kindInput
	kindOutput
	kindInitiatorBytes
	kindTotalBytes
	kindPostBytes
	kindBytes
	kindInitiatorPackets
	kindTotalPackets
	kindPostPackets
	kindPackets
	kindFrameSize
	kindFrame
	kindIPHeader
	kindSampler
	kindInterval
	kindSpace
	kindPopulation
	kindSize
)

// kindOf knows the information elements (https://www.iana.org/assignments/ipfix) that matter, which are the field types of
// NetFlow 9 as well.
func kindOf(element uint16) kind {
	switch element {
	case 1:
		return kindBytes // octetDeltaCount
	case 2:
		return kindPackets // packetDeltaCount
	case 4:
		return kindProto // protocolIdentifier
	case 5:
		return kindToS // ipClassOfService
	case 7:
		return kindSrcPort // sourceTransportPort
	case 8:
		return kindSrc4 // sourceIPv4Address
	case 10:
		return kindInput // ingressInterface
	case 11:
		return kindDstPort // destinationTransportPort
	case 12:
		return kindDst4 // destinationIPv4Address
	case 14:
		return kindOutput // egressInterface
	case 23:
		return kindPostBytes // postOctetDeltaCount
	case 24:
		return kindPostPackets // postPacketDeltaCount
	case 27:
		return kindSrc6 // sourceIPv6Address
	case 28:
		return kindDst6 // destinationIPv6Address
	case 34, 50, 305:
		return kindInterval // samplingInterval, samplerRandomInterval, samplingPacketInterval
	case 48, 302:
		return kindSampler // samplerId, selectorId
	case 85:
		return kindTotalBytes // octetTotalCount
	case 86:
		return kindTotalPackets // packetTotalCount
	case 103, 312:
		return kindFrameSize // layer2packetSectionSize, dataLinkFrameSize
	case 104, 315:
		return kindFrame // layer2packetSectionData, dataLinkFrameSection
	case 231:
		return kindInitiatorBytes // initiatorOctets
	case 298:
		return kindInitiatorPackets // initiatorPackets
	case 306:
		return kindSpace // samplingPacketSpace
	case 309:
		return kindSize // samplingSize
	case 310:
		return kindPopulation // samplingPopulation
	case 313:
		return kindIPHeader // ipHeaderPacketSection
	}
	return kindNone
}

func (d *Decoder) templateKey(id uint16) uint64 { return d.key + hash64.Uint64(uint64(id)) }

// templateSet reads the templates in a set (RFC 7011 section 3.4, RFC 3954 sections 5.2 and 6.1). What is left at the end is
// padding.
func (d *Decoder) templateSet(b []byte, options bool) (ok bool) {
	for len(b) >= 4 {
		id := binary.BigEndian.Uint16(b)
		if id == 0 && binary.BigEndian.Uint16(b[2:]) == 0 {
			return true // padding
		}
		r := templateReader{ipx: d.ipx}
		if !r.read(b, options) {
			return false
		}
		b = b[r.used:]
		if id >= minDataSet {
			d.learn(id, r.template(options))
		}
		if options {
			d.stats.OptionTemplates++
		} else {
			d.stats.Templates++
		}
	}
	return true
}

// learn keeps a template, or forgets it if it is nil, and reads what has waited for it.
func (d *Decoder) learn(id uint16, t *template) {
	key := d.templateKey(id)
	if t == nil {
		d.templates.Delete(key)
		return
	}
	*d.templates.Put(key, d.now) = t
	recs := d.recs
	d.lose(d.held.take(key, d.now, func(b []byte) { d.records(t, b) }))
	d.recs = recs // those were counted in the sequence number of an earlier message
}

// spec is a field of a template as it stands there.
type spec struct {
	element uint16 // 0 if it is of no interest: of an enterprise, or a scope of version 9
	len     uint16
}

const variable = 0xFFFF // the length of a field that states its own (RFC 7011 section 7)

// templateReader reads one template.
type templateReader struct {
	ipx   bool
	specs []spec
	used  int // bytes
}

// read reads the template at the start of b.
func (r *templateReader) read(b []byte, options bool) (ok bool) {
	count, head, scopes := int(binary.BigEndian.Uint16(b[2:])), 4, 0
	switch {
	case options && r.ipx:
		if count == 0 { // a withdrawal has no count of scopes
			break
		}
		if len(b) < 6 {
			return false
		}
		head = 6
	case options:
		if len(b) < 6 {
			return false
		}
		scope, option := count, int(binary.BigEndian.Uint16(b[4:])) // lengths in bytes
		if scope%4 != 0 || option%4 != 0 {
			return false
		}
		head, scopes, count = 6, scope/4, (scope+option)/4
	}
	if count > maxFields {
		return false
	}
	return r.fields(b[head:], head, count, scopes)
}

func (r *templateReader) fields(b []byte, head, count, scopes int) (ok bool) {
	const enterprise = 0x8000
	r.used = head
	r.specs = make([]spec, 0, min(count, len(b)/4))
	for i := range count {
		if len(b) < 4 {
			return false
		}
		s, n := spec{binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])}, 4
		if s.element&enterprise != 0 {
			s.element = 0
			if r.ipx {
				n = 8
			}
		}
		if i < scopes {
			s.element = 0
		}
		if len(b) < n {
			return false
		}
		r.specs = append(r.specs, s)
		b = b[n:]
		r.used += n
	}
	return true
}

// template makes of the fields what records are read by. It returns nil if there is none.
func (r *templateReader) template(options bool) *template {
	if len(r.specs) == 0 {
		return nil
	}
	t := &template{options: options}
	isVariable := slices.ContainsFunc(r.specs, func(s spec) bool { return s.len == variable })
	for i, s := range r.specs {
		at := t.length
		if isVariable {
			t.lengths = append(t.lengths, s.len)
			at = i
		}
		if s.len == variable {
			t.length++ // its own length, at least
		} else {
			t.length += int(s.len)
		}
		if k := kindOf(s.element); k != kindNone && k.fits(s.len) && at <= 0xFFFF {
			t.ops = append(t.ops, op{uint16(at), s.len, k})
		}
	}
	slices.SortStableFunc(t.ops, func(a, b op) int { return cmp.Compare(a.kind, b.kind) })
	return t
}

// fits reports whether a field of this kind can have n bytes. Integers may be shorter than they are defined (RFC 7011 section 6.2).
func (k kind) fits(n uint16) bool {
	switch k {
	case kindSrc4, kindDst4:
		return n == 4
	case kindSrc6, kindDst6:
		return n == 16
	case kindFrame, kindIPHeader:
		return n > 0
	}
	return n > 0 && n <= 8
}

package netflow

import (
	"cmp"
	"encoding/binary"
	"slices"
	"unsafe"
)

// maxFields is how many fields a template may have; real templates have a few dozen.
const maxFields = 1024

// maxOps is how many fields of a template are read; a template with more repeats fields.
const maxOps = 64

// template holds the positions of the relevant fields in a record.
type template struct {
	ops     []op
	lengths []uint16 // of all fields, if one has variable length; otherwise nil
	length  int      // length of a record; its minimum if lengths is set
	options bool
	renewed int64 // when it last arrived, ns
}

// bytes returns the memory of t.
func (t *template) bytes() int {
	return templateBytes + cap(t.ops)*int(unsafe.Sizeof(op{})) + cap(t.lengths)*2
}

// op extracts a field from a record. If several fields have the same meaning, the best is last.
type op struct {
	at   uint16 // offset in the record; number of the field if the template has lengths
	len  uint16
	kind kind
}

// templateSet reads the templates in a set (RFC 7011 section 3.4, RFC 3954 sections 5.2 and 6.1). A
// remainder at the end is padding.
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

// learn stores a template, or removes it if it is nil, and reads the data sets that waited for it.
func (d *Decoder) learn(id uint16, t *template) {
	if t == nil {
		d.sources.drop(d.src, id)
		return
	}
	t.renewed = d.now
	d.sources.put(d.src, id, t)
	recs := d.recs
	d.loseOwn(d.held.take(setKey{d.src.key, id}, d.now, func(b []byte) {
		d.out.FoundSets++
		d.records(t, b)
	}))
	d.recs = recs // an earlier message's sequence number counted those
}

// spec is a template field in wire form.
type spec struct {
	element uint16 // 0 if it is ignored: an enterprise's, or a scope of version 9
	len     uint16
	reverse bool // for the other direction (RFC 5103 section 6.1)
}

const variable = 0xFFFF // the length of a field that states its length itself (RFC 7011 section 7)

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
		if count == 0 { // a withdrawal does not have a count of scopes
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
	const enterprise, reverse = 0x8000, 29305
	r.used = head
	r.specs = make([]spec, 0, min(count, len(b)/4))
	for i := range count {
		if len(b) < 4 {
			return false
		}
		s, n := spec{element: binary.BigEndian.Uint16(b), len: binary.BigEndian.Uint16(b[2:])}, 4
		if s.element&enterprise != 0 && r.ipx {
			n = 8
		}
		if len(b) < n {
			return false
		}
		if n == 8 && binary.BigEndian.Uint32(b[4:]) == reverse {
			s.element, s.reverse = s.element&^enterprise, true
		}
		if s.element&enterprise != 0 || i < scopes {
			s.element = 0
		}
		r.specs = append(r.specs, s)
		b = b[n:]
		r.used += n
	}
	return true
}

// template compiles the fields into a template. It returns nil if the fields make none.
func (r *templateReader) template(options bool) *template {
	if len(r.specs) == 0 {
		return nil
	}
	t := &template{options: options}
	isVariable := slices.ContainsFunc(r.specs, func(s spec) bool { return s.len == variable })
	var there [kinds]bool
	for i, s := range r.specs {
		at := t.length
		if isVariable {
			t.lengths = append(t.lengths, s.len)
			at = i
		}
		if s.len == variable {
			t.length++ // at least its length byte
		} else {
			t.length += int(s.len)
		}
		if k := s.kind(); k != kindNone && k.fits(s.len) && at <= 0xFFFF && len(t.ops) < maxOps {
			t.ops = append(t.ops, op{uint16(at), s.len, k})
			there[k] = true
		}
	}
	t.ops = slices.DeleteFunc(t.ops, func(o op) bool { return o.kind.needless(&there) })
	slices.SortStableFunc(t.ops, func(a, b op) int { return cmp.Compare(a.kind, b.kind) })
	t.ops, t.lengths = slices.Clip(t.ops), slices.Clip(t.lengths)
	return t
}

// kind returns the use of a field.
func (s spec) kind() kind {
	if s.reverse {
		return reverseKindOf(s.element)
	}
	return kindOf(s.element)
}

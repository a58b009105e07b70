package metric

// others is the subject that holds the subjects for which a Record has no room.
const others = "other"

// maxSubjects bounds the subjects of a Map in a Record.
const maxSubjects = 16384

// Merge adds the metrics of src, which stays unchanged. It keeps the metrics that only one of them
// has, and lists them in Partial. What does not merge has no value afterwards, and is listed in
// LeftOut. If regroup is not nil, it converts the groups of src to groups of r.
//
// Sums, rates, distributions and distinct counts equal one count of everything. The errors of lists
// add up.
func (r *Record) Merge(src *Record, regroup func(GroupSet) GroupSet) {
	first := r.fields == nil
	if !first && r.hashID != src.hashID {
		r.mixed = true
	}
	if first {
		r.hashID, r.hash = src.hashID, src.hash
	}
	r.mixed = r.mixed || src.mixed
	m := merging{mixed: r.mixed, first: first, regroup: regroup}
	m.declarations(&r.fields, src.fields)
	m.parts(r.fields, &r.sum, src.fields, &src.sum)
}

// merging merges two Records.
type merging struct {
	mixed bool // their keys have different hashes
	first bool // the first one is empty, so that nothing is partial
	// converts groups; may be nil
	regroup func(GroupSet) GroupSet
}

// declarations adds declarations of src to dst.
func (m merging) declarations(dst *[]declared, src []declared) {
	in, common := finder{list: *dst}, make([]bool, len(*dst))
	for at, d := range src {
		metrics := d.sub
		i := in.find(at, &d)
		ok := i >= 0
		if !ok {
			d.sub = nil
			if m.regroup != nil {
				d.Groups = m.regroup(d.Groups)
			}
			d.partial = d.partial || !m.first
			i = len(*dst)
			*dst, common = append(*dst, d), append(common, true)
		}
		own := &(*dst)[i]
		common[i] = true
		own.partial = own.partial || d.partial
		own.own = own.own || d.own
		own.leftOut = own.leftOut || d.leftOut || own.wire != d.wire || own.keys != d.keys ||
			m.mixed && (own.wire == wireCardinality || own.wire == wireDistinctNames || own.wire == wireDistinctClients)
		sub := m
		sub.first = sub.first || !ok
		if own.wire == d.wire {
			sub.declarations(&own.sub, metrics)
		}
	}
	for i := range *dst {
		(*dst)[i].partial = (*dst)[i].partial || !common[i]
	}
}

// parts adds the values of src to dst, whose declarations contain all declarations of src.
func (m merging) parts(list []declared, dst *part, from []declared, src *part) {
	for len(dst.values) < len(list) {
		dst.values = append(dst.values, nil)
	}
	dst.periods += src.periods
	in := finder{list: list}
	for i := range from {
		at := in.find(i, &from[i])
		if d := &list[at]; !d.leftOut {
			d.leftOut = !m.value(d, &dst.values[at], &from[i], src.value(i, &from[i]))
		}
	}
	for i := range list {
		if list[i].leftOut {
			dst.values[i] = nil
		}
	}
}

// value adds a value. It returns false if the values do not merge.
func (m merging) value(d *declared, dst *state, from *declared, src state) bool {
	if src == nil {
		return true
	}
	if *dst == nil {
		if *dst = newState(src); *dst == nil {
			*dst = src // unknown values do not change
			return true
		}
		if s, ok := src.(*subjects); ok {
			m.subjects(d, (*dst).(*subjects), from, s)
			return true
		}
		(*dst).copyFrom(src)
		return true
	}
	switch own := (*dst).(type) {
	case *subjects:
		s, ok := src.(*subjects)
		if ok {
			m.subjects(d, own, from, s)
		}
		return ok
	case hashed:
		if m.mixed {
			own.mergeKeys(src)
			return true
		}
	case *unknown:
		return false
	}
	if _, ok := src.(*unknown); ok {
		return false
	}
	(*dst).mergeFrom(src)
	return true
}

// newState returns an empty state of the kind of s, or nil for an unknown kind.
func newState(s state) state {
	switch s := s.(type) {
	case *subjects:
		return &subjects{make(map[string]*part)}
	case *list:
		return new(list)
	case traveller:
		return newTraveller(s.wireKind())
	}
	return nil
}

// subjects adds the subjects of src to dst. Those without room add to one subject.
func (m merging) subjects(d *declared, dst *subjects, from *declared, src *subjects) {
	for name, p := range src.parts {
		own := dst.parts[name]
		if own == nil && len(dst.parts) >= maxSubjects-1 {
			name = others
			own = dst.parts[name]
		}
		if own == nil {
			own = new(part)
			dst.parts[name] = own
		}
		m.parts(d.sub, own, from.sub, p)
	}
}

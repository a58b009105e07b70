package metric

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"

	"visor/internal/wire"
	"visor/sketch/hash64"
)

const (
	maxDepth = 4 // Maps within Maps
	// memory that a Record may use beyond its bytes: a few bytes can make a sketch of kilobytes
	expansion    = 32
	expansionAny = 64 << 20
	valueBytes   = 256 // memory of a value beside what its size method returns
)

// The flags of a declaration.
const (
	flagFloat = 1 << iota
	flagSparse
	flagLeftOut
	flagPartial
	flagOwn
)

// AppendBinary appends r in bytes: the declarations, then the values. Of each list it appends the n
// entries with the highest counts, a quarter as many if pktvisor lacks the list, and a twelfth as
// many of a list of distinct names or clients; 0 means all. It leaves out entries below a 4096th of
// the list's total, too. What it cuts is added to the list's error.
//
// If n is not 0, quantiles that pktvisor lacks have bins four times as wide. They are then within
// 0.8 per cent of the true ones instead of 0.2.
func (r *Record) AppendBinary(dst []byte, n int) []byte {
	w := writing{n}
	return w.part(appendDeclarations(dst, r.fields), &r.sum, r.fields)
}

func appendDeclarations(dst []byte, list []declared) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for i := range list {
		d := &list[i]
		var at int
		dst, at = wire.Open(dst)
		dst = append(dst, byte(d.wire), byte(d.keys), d.flags())
		dst = binary.AppendUvarint(dst, uint64(d.Groups))
		dst = wire.AppendTexts(dst, d.Path)
		for _, s := range [...]string{d.Prom, d.Help, d.Label} {
			dst = wire.AppendText(dst, s)
		}
		dst = wire.Close(appendDeclarations(dst, d.sub), at)
	}
	return dst
}

func (d *declared) flags() (flags byte) {
	for i, set := range [...]bool{d.Float, d.Sparse, d.leftOut, d.partial, d.own} {
		if set {
			flags |= 1 << i
		}
	}
	return flags
}

// writing appends a Record.
type writing struct{ n int } // entries of a list; 0 means all

// part appends the values: kind, version, length and bytes of each.
func (w writing) part(dst []byte, p *part, list []declared) []byte {
	for i := range list {
		dst = w.value(dst, &list[i], p.value(i, &list[i]))
	}
	return dst
}

// ownShare divides the number of entries of lists that pktvisor lacks, which are many.
const ownShare = 4

// entries returns the number of entries of a list.
func (w writing) entries(d *declared) int {
	if d.own {
		return (w.n + ownShare - 1) / ownShare
	}
	return w.n
}

func (w writing) value(dst []byte, d *declared, value state) []byte {
	if u, ok := value.(*unknown); ok {
		return wire.AppendText(append(dst, byte(u.kind), u.version), u.data)
	}
	if value == nil {
		return append(dst, byte(wireLeftOut), wireLeftOut.version(), 0)
	}
	dst, at := wire.Open(append(dst, byte(d.wire), d.wire.version()))
	switch m := value.(type) {
	case *subjects:
		dst = binary.AppendUvarint(dst, uint64(len(m.parts)))
		for _, name := range slices.Sorted(maps.Keys(m.parts)) {
			p := m.parts[name]
			dst = binary.AppendUvarint(wire.AppendText(dst, name), uint64(max(p.periods, 0)))
			dst = w.part(dst, p, d.sub)
		}
	case lister:
		h := m.head(w.entries(d))
		dst = h.append(dst)
	case cutter:
		dst = m.appendHead(dst, (w.n+cutShare-1)/cutShare)
	case quantile:
		dst = m.appendShort(dst, w.n > 0 && d.own)
	case traveller:
		dst = m.append(dst)
	}
	return wire.Close(dst, at)
}

// ReadRecord reads a Record from the bytes that AppendBinary made, from any program and version. id
// identifies the key that hashed the keys; it is zero if there were several. Other bytes are an
// error that contains the position. The Record copies what it keeps. Its memory is taken from room,
// which several Records may share; without enough room, ReadRecord returns an error.
func ReadRecord(data []byte, id hash64.ID, room *Room) (*Record, error) {
	r := wire.NewReader(data)
	in := reading{Reader: r, hash: room.hasher(id), room: room}
	out := &Record{hashID: id, hash: in.hash, mixed: id == hash64.ID{}}
	r.CopyTexts(endOfDeclarations(*r))
	out.fields = in.declarations(r, maxDepth)
	out.sum = in.part(r, out.fields)
	if r.End(); r.Err() != nil {
		return nil, fmt.Errorf("metric: %w", r.Err())
	}
	return out, nil
}

// Room is the memory that Records read from bytes may use. It is owned by one goroutine.
type Room struct {
	bytes int
	// the Hasher of the latest Record, which most others need, too
	hash *hash64.Hasher
	id   hash64.ID
}

// NewRoom returns the Room for Records with a number of bytes together: 64 MiB and 32 times these.
func NewRoom(size int) *Room { return &Room{bytes: expansionAny + expansion*size} }

// hasher returns the Hasher for the keys of lists; see readHasher.
func (room *Room) hasher(id hash64.ID) *hash64.Hasher {
	if room.hash == nil || room.id != id {
		room.hash, room.id = readHasher(id), id
	}
	return room.hash
}

// reading reads a Record. All of its Readers share their error.
type reading struct {
	*wire.Reader
	hash *hash64.Hasher
	room *Room
}

// use fails if too little memory is left.
func (in *reading) use(bytes int) {
	if in.room.bytes -= bytes; in.room.bytes < 0 {
		in.Failf("its values need more than %d MiB of memory", expansionAny>>20)
	}
}

// endOfDeclarations returns the position behind the declarations that r is at.
func endOfDeclarations(r wire.Reader) int {
	for range r.Count(leastDeclaration) {
		r.Block()
	}
	return r.At()
}

const leastDeclaration = 8 // bytes

// usualMetrics is the number of metrics for which there is room at once.
const usualMetrics = 256

func (in *reading) declarations(r *wire.Reader, depth int) []declared {
	n := r.Count(leastDeclaration)
	if n > 0 && depth == 0 {
		r.Failf("maps are nested more than %d times", maxDepth)
	}
	if n == 0 {
		return nil
	}
	list, seen := make([]declared, 0, min(n, usualMetrics)), make(map[string]bool, min(n, usualMetrics))
	for range n {
		block := r.Block()
		d := in.declaration(&block, depth)
		if in.Err() == nil && seen[d.key()] {
			r.Failf("the metric %s is declared twice", d.key())
		}
		if in.Err() != nil {
			return nil
		}
		seen[d.key()] = true
		list = append(list, d)
	}
	return list
}

// declaration reads a block. A newer version may append to it what this one ignores.
func (in *reading) declaration(r *wire.Reader, depth int) declared {
	d := declared{wire: wireKind(r.Byte()), keys: keyKind(r.Byte())}
	flags := r.Byte()
	d.Float, d.Sparse = flags&flagFloat != 0, flags&flagSparse != 0
	d.leftOut, d.partial, d.own = flags&flagLeftOut != 0, flags&flagPartial != 0, flags&flagOwn != 0
	d.Groups = GroupSet(r.Int(math.MaxUint32))
	d.Path = r.Texts()
	d.Prom, d.Help, d.Label = r.Text(), r.Text(), r.Text()
	d.Kind = d.wire.kind()
	in.use(len(d.Help) + valueBytes)
	switch byMap := d.wire == wireSubjects; {
	case r.Err() != nil:
	case !byMap && (len(d.Path) == 0 || !validName(d.Prom)):
		r.Failf("a metric has the name %q and the path %q", d.Prom, d.Path)
	case (byMap || d.Label != "") && !validName(d.Label):
		r.Failf("%q is not a label", d.Label)
	case byMap:
		d.sub = in.declarations(r, depth-1)
	}
	return d
}

// part reads the values of some declarations.
func (in *reading) part(r *wire.Reader, list []declared) (p part) {
	p.values = make([]state, 0, len(list))
	for i := range list {
		in.use(valueBytes)
		if r.Err() != nil {
			return p
		}
		p.values = append(p.values, in.value(r, &list[i]))
	}
	return p
}

// value reads one value, or returns nil if it was left out.
func (in *reading) value(r *wire.Reader, d *declared) state {
	kind, version := wireKind(r.Byte()), r.Byte()
	body := r.Block()
	switch {
	case r.Err() != nil || kind == wireLeftOut || d.leftOut:
		return nil
	case kind > wireLast || version > kind.version() || d.keys >= keyKinds:
		in.use(body.Len())
		return &unknown{kind, version, bytes.Clone(body.Bytes(uint64(body.Len())))}
	case kind != d.wire:
		r.Failf("%s has a value of kind %d instead of %d", d.key(), kind, d.wire)
		return nil
	}
	switch kind {
	case wireSubjects:
		return in.subjects(&body, d)
	case wireList:
		l := &list{hash: in.hash}
		l.read(&body, d.keys, version)
		in.use(l.size())
		return l
	}
	t := newTraveller(kind)
	if err := t.read(body.Bytes(uint64(body.Len()))); err != nil {
		r.Failf("%s: %w", d.key(), err)
	}
	in.use(t.size())
	return t
}

func (in *reading) subjects(r *wire.Reader, d *declared) *subjects {
	s := &subjects{parts: make(map[string]*part)}
	n := r.Count(2)
	if n > maxSubjects {
		r.Failf("%s has %d subjects", d.key(), n)
	}
	for range n {
		name, periods := r.Text(), r.Int(math.MaxInt32)
		p := in.part(r, d.sub)
		p.periods = periods
		in.use(len(name) + subjectBytes)
		if r.Err() != nil || s.parts[name] != nil {
			r.Failf("%s has the subject %q twice", d.key(), name)
			return s
		}
		s.parts[name] = &p
	}
	r.End()
	return s
}

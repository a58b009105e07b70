package metric

import (
	"encoding/binary"

	"visor/decode/dnsmsg"
	"visor/geo"
	"visor/sketch"
	"visor/sketch/hash64"
)

// keyKind is the kind of a list's keys, in bytes. Numbers are never reused.
type keyKind byte

const (
	keyName   keyKind = iota + 1 // the text
	keyDomain                    // Key of a dnsmsg.Name
	keyPlace                     // Key of a geo.Location
	keyIPv4                      // 4 bytes
	keyIPv6                      // 16 bytes
	// 2 bytes, big endian; shown with the text beside it, or else in digits
	keyNumber
	keyOther // any bytes, with a text beside each
	keyKinds // the number of kinds
)

// text reports whether a text is beside each key, which does not follow from the key.
func (k keyKind) text() bool { return k == keyNumber || k == keyOther }

// item returns the Item of a key without counts.
func (k keyKind) item(key []byte) Item {
	switch k {
	case keyDomain:
		return Item{Name: dnsmsg.NameFromKey(key).String()}
	case keyPlace:
		name, lat, lon := geo.ParseKey(key)
		return Item{Name: name, Lat: lat, Lon: lon}
	case keyIPv4:
		return Item{Name: IPv4(key).String()}
	case keyIPv6:
		return Item{Name: IPv6(key).String()}
	case keyNumber:
		return Item{Name: Port(binary.BigEndian.Uint16(key)).String()}
	}
	return Item{Name: string(key)}
}

// size returns the length of all keys of this kind, or 0 if they differ.
func (k keyKind) size() int {
	switch k {
	case keyIPv4:
		return len(IPv4{})
	case keyIPv6:
		return len(IPv6{})
	case keyNumber:
		return 2
	}
	return 0
}

// head is a list as it travels.
type head struct {
	kind keyKind
	sketch.Head[[]byte]
	// returns the Item of an entry without counts, if the kind has texts
	item func(i int) Item
}

// lister is a state that is a list.
type lister interface {
	metric
	keys() keyKind
	// head returns the n entries with the highest counts; 0 means all. Keys may borrow from the
	// list.
	head(n int) head
	// load makes the list equal to one that was read, if the keys are of its kind.
	load(l *list)
}

// list is a list of any keys that was read from bytes. A list of numbers keeps each of them, as a
// [TopNumbers] does.
type list struct {
	kind keyKind
	// the list as it was read, until it changes: most are only merged into another one
	folded *sketch.Head[[]byte]
	names  sketch.TopNames // unless folded
	texts  map[string]Item // of keys whose text does not follow
	// texts of other keys follow from their length; see derived
	derived bool
	hash    *hash64.Hasher
}

var _ lister = (*list)(nil)

func (l *list) keys() keyKind { return l.kind }

func (l *list) item(key []byte) Item {
	if item, ok := l.texts[string(key)]; ok {
		return item
	}
	if l.derived && derivable(key) {
		return Item{Name: derived(key)}
	}
	return l.kind.item(key)
}

func (l *list) head(n int) head {
	h := l.table().Head(n)
	return head{l.kind, h, func(i int) Item { return l.item(h.Entries[i].Key) }}
}

func (l *list) load(src *list) { l.copyFrom(src) }

// table returns the list with its keys in a table. It makes one if the list is folded, which it
// leaves so: several goroutines may read a snapshot.
func (l *list) table() *sketch.TopNames {
	if l.folded == nil {
		return &l.names
	}
	names := new(sketch.TopNames)
	names.SetHead(*l.folded, l.hash.Sum)
	return names
}

// unfold prepares the list for changes.
func (l *list) unfold() {
	if l.folded != nil {
		l.names, l.folded = *l.table(), nil
	}
}

// Reset empties the list.
func (l *list) Reset() {
	l.names.Reset()
	l.folded, l.texts, l.derived = nil, nil, false
}

func (l *list) mergeFrom(src state) {
	from := src.(*list)
	l.unfold()
	if from.folded != nil {
		l.names.MergeHead(*from.folded, l.hash.Sum)
	} else {
		l.names.Merge(&from.names)
	}
	l.mergeTexts(from)
}

func (l *list) mergeKeys(src state) {
	from := src.(*list)
	l.unfold()
	l.names.MergeKeys(from.table())
	l.mergeTexts(from)
}

func (l *list) mergeTexts(src *list) {
	l.derived = l.derived || src.derived
	for key, item := range src.texts {
		l.note(key, item)
	}
	l.forget()
}

func (l *list) note(key string, item Item) {
	if l.texts == nil {
		l.texts = make(map[string]Item)
	}
	l.texts[key] = item
}

// forget drops the texts of keys that have left the list, when they are most of the texts.
func (l *list) forget() {
	if len(l.texts) < 2*l.names.Len()+sketch.DefaultCapacity {
		return
	}
	old := l.texts
	l.texts = nil
	for _, e := range l.names.Head(0).Entries {
		if item, ok := old[string(e.Key)]; ok {
			l.note(string(e.Key), item)
		}
	}
}

func (l *list) copyFrom(src state) {
	from := src.(*list)
	l.Reset()
	l.kind, l.hash, l.derived = from.kind, from.hash, from.derived
	if from.folded != nil {
		l.names.SetHead(*from.folded, l.hash.Sum)
	} else {
		l.names.CopyFrom(&from.names)
	}
	for key, item := range from.texts {
		l.note(key, item)
	}
}

func (l *list) render(v *Value, r Rendering) {
	names := l.table()
	renderTop(v, r, names.Total(), names.Error(), items(names.Top(r.TopN), l.item))
}

// size returns the memory of the list in bytes, in its greater form.
func (l *list) size() int {
	n := l.names.Size() + len(l.texts)*textBytes
	if l.folded != nil {
		for _, e := range l.folded.Entries {
			n += 2*len(e.Key) + foldedBytes
		}
	}
	return n
}

// foldedBytes is the memory of an entry in both forms, apart from its key.
const foldedBytes = 128

// textBytes is the approximate memory of a text without its bytes.
const textBytes = 128

package metric

import (
	"encoding/binary"
	"math"
	"net/netip"
	"strconv"

	"visor/decode/dnsmsg"
	"visor/geo"
	"visor/internal/wire"
	"visor/sketch"
	"visor/sketch/hash64"
)

// keyKind is what the keys of a list are, in bytes. Numbers are never reused.
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

// fits reports whether key can be a key of this kind.
func (k keyKind) fits(key []byte) bool {
	switch k {
	case keyIPv4:
		return len(key) == len(IPv4{})
	case keyIPv6:
		return len(key) == len(IPv6{})
	case keyNumber:
		return len(key) == 2
	}
	return true
}

// head is a list as it travels.
type head struct {
	kind keyKind
	sketch.Head[[]byte]
	// returns the Item of a key without counts, if the kind has texts
	item func(key []byte) Item
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
	kind  keyKind
	names sketch.TopNames
	texts map[string]Item // of keys whose text does not follow
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

func (l *list) head(n int) head { return head{l.kind, l.names.Head(n), l.item} }

func (l *list) load(src *list) { l.copyFrom(src) }

// Reset empties the list.
func (l *list) Reset() {
	l.names.Reset()
	l.texts, l.derived = nil, false
}

func (l *list) mergeFrom(src state) { l.merge(src.(*list), (*sketch.TopNames).Merge) }
func (l *list) mergeKeys(src state) { l.merge(src.(*list), (*sketch.TopNames).MergeKeys) }

func (l *list) merge(src *list, merge func(dst, src *sketch.TopNames)) {
	merge(&l.names, &src.names)
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
	l.names.CopyFrom(&from.names)
	for key, item := range from.texts {
		l.note(key, item)
	}
}

func (l *list) render(v *Value, r Rendering) {
	renderTop(v, r, l.names.Total(), l.names.Error(), items(l.names.Top(r.TopN), l.item))
}

// size returns the memory of the list in bytes.
func (l *list) size() int { return l.names.Size() + len(l.texts)*textBytes }

// textBytes is the approximate memory of a text without its bytes.
const textBytes = 128

// The parts of an entry that follow its count and key, where the kind has texts.
const (
	plainText = iota // no text: the key has its own
	withText
	withPlace // a text, a latitude and a longitude
	derivedText
)

// derivable reports whether a key has the length of an address or a subnet.
func derivable(key []byte) bool {
	switch len(key) {
	case 3, 6, 16, 17:
		return true
	}
	return false
}

// derived returns the text of an address or a subnet by the length of its key, or "" for other
// lengths: an address of 16 bytes, alone or followed by the length of a prefix, or the prefix of an
// IPv4 /24 or an IPv6 /48.
func derived(key []byte) string {
	switch len(key) {
	case 3:
		return IPv4{key[0], key[1], key[2]}.String() + "/24"
	case 6:
		return IPv6{key[0], key[1], key[2], key[3], key[4], key[5]}.String() + "/48"
	case 16:
		return netip.AddrFrom16([16]byte(key)).Unmap().String()
	case 17:
		return derived(key[:16]) + "/" + strconv.Itoa(int(key[16]))
	}
	return ""
}

// append appends h in bytes: the kind of keys, total, error, refused counts, capacity, and the
// entries with count, key and text. Counts are in descending order and are stored as differences.
func (h *head) append(dst []byte) []byte {
	dst = append(dst, byte(h.kind))
	for _, v := range [...]uint64{h.Total, h.Error, h.Refused, uint64(h.Capacity), uint64(len(h.Entries))} {
		dst = binary.AppendUvarint(dst, v)
	}
	for i, e := range h.Entries {
		if i == 0 {
			dst = binary.AppendUvarint(dst, e.Lower)
		} else {
			dst = binary.AppendUvarint(dst, h.Entries[i-1].Lower-e.Lower)
		}
		dst = wire.AppendText(dst, e.Key)
		if h.kind.text() {
			dst = h.appendText(dst, e.Key)
		}
	}
	return dst
}

func (h *head) appendText(dst, key []byte) []byte {
	item := h.item(key)
	switch {
	case item.Lat != "" || item.Lon != "":
		dst = wire.AppendText(append(dst, withPlace), item.Name)
		return wire.AppendText(wire.AppendText(dst, item.Lat), item.Lon)
	case item.Name == h.kind.item(key).Name:
		return append(dst, plainText)
	case h.kind == keyOther && item.Name == derived(key):
		return append(dst, derivedText)
	}
	return wire.AppendText(append(dst, withText), item.Name)
}

// read reads a list of this kind.
func (l *list) read(r *wire.Reader, kind keyKind) {
	l.kind = kind
	if got := keyKind(r.Byte()); got != kind {
		r.Failf("keys of kind %d in a list of kind %d", got, kind)
	}
	h := sketch.Head[[]byte]{Total: r.Uvarint(), Error: r.Uvarint(), Refused: r.Uvarint()}
	h.Capacity = r.Int(1 << 20)
	n := r.Count(2)
	h.Entries = make([]sketch.Entry[[]byte], 0, n)
	if n > h.Capacity {
		r.Failf("%d entries in a list for %d", n, h.Capacity)
	}
	left, rest := uint64(0), h.Total
	for i := range n {
		count := r.Uvarint()
		if i > 0 {
			if count > left {
				r.Failf("counts are out of order")
			}
			count = left - count
		}
		if count > rest && h.Total < math.MaxUint64 {
			r.Failf("counts exceed their total")
		}
		left, rest = count, rest-min(count, rest)
		key := r.Bytes(r.Uvarint())
		if r.Err() == nil && !kind.fits(key) {
			r.Failf("a key of %d bytes", len(key))
		}
		if kind.text() {
			l.readText(r, key)
		}
		if r.Err() != nil {
			return
		}
		h.Entries = append(h.Entries, sketch.Entry[[]byte]{Key: key, Lower: count})
	}
	r.End()
	if r.Err() == nil {
		l.names.SetHead(h, l.hash.Sum)
	}
}

func (l *list) readText(r *wire.Reader, key []byte) {
	switch form := r.Byte(); form {
	case plainText:
		if l.kind == keyOther && derivable(key) {
			l.note(string(key), l.kind.item(key))
		}
	case derivedText:
		l.derived = true
		if l.kind != keyOther || !derivable(key) {
			r.Failf("no text follows from a key of %d bytes", len(key))
		}
	case withText:
		l.note(string(key), Item{Name: r.Text()})
	case withPlace:
		l.note(string(key), Item{Name: r.Text(), Lat: r.Text(), Lon: r.Text()})
	default:
		r.Failf("a text of form %d", form)
	}
}

package metric

import (
	"encoding/binary"
	"reflect"

	"visor/sketch"
	"visor/sketch/hash64"
)

// The lists of this package as they travel.

var (
	_ lister = (*Top[IPv4])(nil)
	_ lister = (*TopNumbers[Port])(nil)
	_ lister = (*TopNames)(nil)
	_ lister = (*TopDomains)(nil)
	_ lister = (*TopLocations)(nil)
	_ lister = (*TopSide)(nil)
)

func (t *Top[K]) keys() keyKind {
	switch any(*new(K)).(type) {
	case IPv4:
		return keyIPv4
	case IPv6:
		return keyIPv6
	}
	return keyOther
}

func (t *Top[K]) head(n int) head {
	from := t.Head(n, K.Compare)
	out := headOf(from, bytesOf[K])
	return head{t.keys(), out, func(i int) Item { return Item{Name: from.Entries[i].Key.String()} }}
}

// bytesOf appends the bytes of a key of fixed size, or otherwise its text.
func bytesOf[K Key[K]](dst []byte, key *K) []byte {
	if v := reflect.ValueOf(key).Elem(); v.Kind() == reflect.Array && v.Type().Elem().Kind() == reflect.Uint8 {
		return append(dst, v.Bytes()...)
	}
	if b, err := binary.Append(dst, binary.LittleEndian, *key); err == nil {
		return b
	}
	return append(dst, (*key).String()...)
}

// headOf returns a Head with other keys. The function key appends the bytes of a key.
func headOf[K any](from sketch.Head[K], key func([]byte, *K) []byte) sketch.Head[[]byte] {
	out := sketch.Head[[]byte]{Total: from.Total, Error: from.Error, Refused: from.Refused, Capacity: from.Capacity}
	out.Entries = make([]sketch.Entry[[]byte], len(from.Entries))
	var all []byte
	for i := range from.Entries {
		e, at := &from.Entries[i], len(all)
		all = key(all, &e.Key)
		out.Entries[i] = sketch.Entry[[]byte]{Key: all[at:len(all):len(all)], Lower: e.Lower, Upper: e.Upper}
	}
	return out
}

// load leaves the list empty if its keys have no fixed size.
func (t *Top[K]) load(l *list) {
	var zero K
	if binary.Size(zero) < 0 {
		return
	}
	from := l.table().Head(0)
	out := sketch.Head[K]{Total: from.Total, Error: from.Error, Refused: from.Refused, Capacity: from.Capacity}
	hashes := make(map[K]uint64, len(from.Entries))
	for _, e := range from.Entries {
		var key K
		if _, err := binary.Decode(e.Key, binary.LittleEndian, &key); err == nil {
			hashes[key] = l.hash.Sum(e.Key)
			out.Entries = append(out.Entries, sketch.Entry[K]{Key: key, Lower: e.Lower, Upper: e.Upper})
		}
	}
	t.SetHead(out, func(key K) uint64 { return hashes[key] })
}

func (t *TopNumbers[K]) keys() keyKind { return keyNumber }

func (t *TopNumbers[K]) head(n int) head {
	from := t.Head(n)
	number := func(dst []byte, key *K) []byte { return binary.BigEndian.AppendUint16(dst, uint16(*key)) }
	return head{keyNumber, headOf(from, number), func(i int) Item { return Item{Name: from.Entries[i].Key.String()} }}
}

func (t *TopNumbers[K]) load(l *list) {
	from := l.table().Head(0)
	out := sketch.Head[K]{Total: from.Total, Error: from.Error}
	for _, e := range from.Entries {
		out.Entries = append(out.Entries, sketch.Entry[K]{Key: K(binary.BigEndian.Uint16(e.Key)), Lower: e.Lower})
	}
	t.SetHead(out)
}

func (t *TopNames) keys() keyKind   { return keyName }
func (t *TopNames) head(n int) head { return head{kind: keyName, Head: t.Head(n)} }
func (t *TopNames) load(l *list)    { t.CopyFrom(l.table()) }

func (t *TopDomains) keys() keyKind   { return keyDomain }
func (t *TopDomains) head(n int) head { return head{kind: keyDomain, Head: t.names.Head(n)} }
func (t *TopDomains) load(l *list)    { t.names.CopyFrom(l.table()) }

func (t *TopLocations) keys() keyKind   { return keyPlace }
func (t *TopLocations) head(n int) head { return head{kind: keyPlace, Head: t.Head(n)} }
func (t *TopLocations) load(l *list)    { t.CopyFrom(l.table()) }

func (t *TopSide) keys() keyKind { return keyOther }

func (t *TopSide) head(n int) head {
	if t.list == nil {
		return head{kind: keyOther}
	}
	h := t.list.Head(n, t.scale)
	return head{keyOther, h, func(i int) Item { return t.item(h.Entries[i].Key) }}
}

func (t *TopSide) load(l *list) {
	if t.list != nil {
		t.list.SetHead(l.table().Head(0), t.scale, l.hash.Sum)
	}
}

// readHasher returns the Hasher for the keys of lists that were read: hashes do not travel. It
// depends on the key that hashed them first, so that lists merge if their cardinalities do.
func readHasher(id hash64.ID) *hash64.Hasher {
	var key hash64.Key
	copy(key[:], id[:])
	copy(key[len(id):], "vsnap")
	return hash64.New(key)
}

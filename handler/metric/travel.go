package metric

import (
	"encoding/binary"

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
	out, texts := headOf(from, bytesOf[K]), make(map[string]string)
	kind := t.keys()
	for i, e := range from.Entries {
		if kind.text() {
			texts[string(out.Entries[i].Key)] = e.Key.String()
		}
	}
	return head{kind, out, func(key []byte) Item { return Item{Name: texts[string(key)]} }}
}

// bytesOf returns the bytes of a key of fixed size, or otherwise its text.
func bytesOf[K Key[K]](key K) []byte {
	if b, err := binary.Append(nil, binary.LittleEndian, key); err == nil {
		return b
	}
	return []byte(key.String())
}

// headOf returns a Head with other keys.
func headOf[K any](from sketch.Head[K], key func(K) []byte) sketch.Head[[]byte] {
	out := sketch.Head[[]byte]{Total: from.Total, Error: from.Error, Refused: from.Refused, Capacity: from.Capacity}
	for _, e := range from.Entries {
		out.Entries = append(out.Entries, sketch.Entry[[]byte]{Key: key(e.Key), Lower: e.Lower, Upper: e.Upper})
	}
	return out
}

// load leaves the list empty if its keys have no fixed size.
func (t *Top[K]) load(l *list) {
	var zero K
	if binary.Size(zero) < 0 {
		return
	}
	from := l.names.Head(0)
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
	number := func(key K) []byte { return binary.BigEndian.AppendUint16(nil, uint16(key)) }
	return head{keyNumber, headOf(t.Head(n), number), func(key []byte) Item {
		return Item{Name: K(binary.BigEndian.Uint16(key)).String()}
	}}
}

func (t *TopNumbers[K]) load(l *list) {
	from := l.names.Head(0)
	out := sketch.Head[K]{Total: from.Total, Error: from.Error}
	for _, e := range from.Entries {
		out.Entries = append(out.Entries, sketch.Entry[K]{Key: K(binary.BigEndian.Uint16(e.Key)), Lower: e.Lower})
	}
	t.SetHead(out)
}

func (t *TopNames) keys() keyKind   { return keyName }
func (t *TopNames) head(n int) head { return head{kind: keyName, Head: t.Head(n)} }
func (t *TopNames) load(l *list)    { t.CopyFrom(&l.names) }

func (t *TopDomains) keys() keyKind   { return keyDomain }
func (t *TopDomains) head(n int) head { return head{kind: keyDomain, Head: t.names.Head(n)} }
func (t *TopDomains) load(l *list)    { t.names.CopyFrom(&l.names) }

func (t *TopLocations) keys() keyKind   { return keyPlace }
func (t *TopLocations) head(n int) head { return head{kind: keyPlace, Head: t.Head(n)} }
func (t *TopLocations) load(l *list)    { t.CopyFrom(&l.names) }

func (t *TopSide) keys() keyKind { return keyOther }

func (t *TopSide) head(n int) head {
	if t.list == nil {
		return head{kind: keyOther}
	}
	return head{keyOther, t.list.Head(n, t.scale), t.item}
}

func (t *TopSide) load(l *list) {
	if t.list != nil {
		t.list.SetHead(l.names.Head(0), t.scale, l.hash.Sum)
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

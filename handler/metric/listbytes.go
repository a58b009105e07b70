package metric

import (
	"encoding/binary"
	"math"
	"net/netip"
	"strconv"

	"visor/internal/wire"
	"visor/sketch"
)

// The bytes of a list are the kind of keys, total, error, refused counts, capacity, and the number
// of entries. Columns follow, which compress better than rows: the counts, in descending order, as
// differences; the lengths of the keys, unless all are the same; the keys; and if the kind has
// texts, their forms and then themselves.
//
// The first two versions had rows of count, length, key, form and text.
const (
	rowsVersion    = 2
	columnsVersion = 3
)

// The forms of texts.
const (
	plainText = iota // no text: the key has its own
	withText
	withPlace // a text, a latitude and a longitude
	derivedText
)

// append appends h in bytes.
func (h *head) append(dst []byte) []byte {
	dst = append(dst, byte(h.kind))
	for _, v := range [...]uint64{h.Total, h.Error, h.Refused, uint64(h.Capacity), uint64(len(h.Entries))} {
		dst = binary.AppendUvarint(dst, v)
	}
	for i := range h.Entries {
		count := h.Entries[i].Lower
		if i > 0 {
			count = h.Entries[i-1].Lower - count
		}
		dst = binary.AppendUvarint(dst, count)
	}
	if h.kind.size() == 0 {
		for i := range h.Entries {
			dst = binary.AppendUvarint(dst, uint64(len(h.Entries[i].Key)))
		}
	}
	for i := range h.Entries {
		dst = append(dst, h.Entries[i].Key...)
	}
	if h.kind.text() {
		dst = h.appendTexts(dst)
	}
	return dst
}

// appendTexts appends the forms of all texts, then the texts.
func (h *head) appendTexts(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, len(h.Entries))...)
	for i := range h.Entries {
		form, out := h.appendText(dst, i)
		dst = out
		dst[at+i] = form
	}
	return dst
}

// appendText appends the text of an entry, and returns its form.
func (h *head) appendText(dst []byte, i int) (form byte, out []byte) {
	item, key := h.item(i), h.Entries[i].Key
	var room [48]byte
	switch {
	case item.Lat != "" || item.Lon != "":
		dst = wire.AppendText(dst, item.Name)
		return withPlace, wire.AppendText(wire.AppendText(dst, item.Lat), item.Lon)
	case item.Name == h.kind.item(key).Name:
		return plainText, dst
	case h.kind == keyOther && item.Name == string(appendDerived(room[:0], key)):
		return derivedText, dst
	}
	return withText, wire.AppendText(dst, item.Name)
}

// read reads a list of a kind.
func (l *list) read(r *wire.Reader, kind keyKind, version byte) {
	l.kind = kind
	if got := keyKind(r.Byte()); got != kind {
		r.Failf("keys of kind %d in a list of kind %d", got, kind)
	}
	h := sketch.Head[[]byte]{Total: r.Uvarint(), Error: r.Uvarint(), Refused: r.Uvarint()}
	h.Capacity = r.Int(1 << 20)
	n := r.Count(1)
	if n > h.Capacity {
		r.Failf("%d entries in a list for %d", n, h.Capacity)
	}
	if r.Err() != nil {
		return
	}
	h.Entries = make([]sketch.Entry[[]byte], n)
	if version <= rowsVersion {
		l.readRows(r, &h)
	} else {
		l.readColumns(r, &h)
	}
	r.End()
	if r.Err() == nil {
		keepKeys(h.Entries)
		l.folded = &h
	}
}

// keepKeys replaces the keys by copies.
func keepKeys(entries []sketch.Entry[[]byte]) {
	size := 0
	for i := range entries {
		size += len(entries[i].Key)
	}
	all := make([]byte, 0, size)
	for i := range entries {
		at := len(all)
		all = append(all, entries[i].Key...)
		entries[i].Key = all[at:len(all):len(all)]
	}
}

// readRows reads the entries of the first versions.
func (l *list) readRows(r *wire.Reader, h *sketch.Head[[]byte]) {
	counts := counting{left: math.MaxUint64, rest: h.Total, total: h.Total}
	for i := range h.Entries {
		h.Entries[i].Lower = counts.next(r)
		l.readKey(r, &h.Entries[i], r.Uvarint())
		if l.kind.text() {
			l.readText(r, h.Entries[i].Key, r.Byte())
		}
		if r.Err() != nil {
			return
		}
	}
}

// readColumns reads the entries.
func (l *list) readColumns(r *wire.Reader, h *sketch.Head[[]byte]) {
	counts := counting{left: math.MaxUint64, rest: h.Total, total: h.Total}
	for i := range h.Entries {
		h.Entries[i].Lower = counts.next(r)
	}
	lengths := *r
	size := uint64(l.kind.size())
	if size == 0 {
		for range h.Entries {
			r.Uvarint()
		}
	}
	for i := range h.Entries {
		n := size
		if size == 0 {
			n = lengths.Uvarint()
		}
		l.readKey(r, &h.Entries[i], n)
	}
	if !l.kind.text() {
		return
	}
	forms := r.Bytes(uint64(len(h.Entries)))
	for i, form := range forms {
		l.readText(r, h.Entries[i].Key, form)
	}
}

// counting reads counts in descending order, which together are at most a total.
type counting struct {
	left  uint64 // the count before
	rest  uint64 // of the total
	total uint64
	begun bool
}

func (c *counting) next(r *wire.Reader) uint64 {
	count := r.Uvarint()
	if c.begun {
		if count > c.left {
			r.Failf("counts are out of order")
		}
		count = c.left - count
	}
	if count > c.rest && c.total < math.MaxUint64 {
		r.Failf("counts exceed their total")
	}
	c.begun, c.left, c.rest = true, count, c.rest-min(count, c.rest)
	return count
}

func (l *list) readKey(r *wire.Reader, e *sketch.Entry[[]byte], n uint64) {
	e.Key = r.Bytes(n)
	if size := l.kind.size(); r.Err() == nil && size > 0 && len(e.Key) != size {
		r.Failf("a key of %d bytes", len(e.Key))
	}
}

func (l *list) readText(r *wire.Reader, key []byte, form byte) {
	switch form {
	case plainText:
		if l.kind == keyOther && derivable(key) && r.Err() == nil {
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
func derived(key []byte) string { return string(appendDerived(nil, key)) }

func appendDerived(dst, key []byte) []byte {
	switch len(key) {
	case 3:
		return append(netip.AddrFrom4([4]byte{key[0], key[1], key[2]}).AppendTo(dst), "/24"...)
	case 6:
		return append(netip.AddrFrom16([16]byte{key[0], key[1], key[2], key[3], key[4], key[5]}).AppendTo(dst), "/48"...)
	case 16:
		return netip.AddrFrom16([16]byte(key)).Unmap().AppendTo(dst)
	case 17:
		return strconv.AppendUint(append(appendDerived(dst, key[:16]), '/'), uint64(key[16]), 10)
	}
	return dst
}

package flow

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"

	"visor/handler/metric"
	"visor/sketch"
	"visor/sketch/hash64"
)

// A key of a list begins with its form. Most keys are numbers, hashed and compared as such. Text is
// formatted only for keys that are shown.
const (
	formText byte = iota // text
	formPort             // two bytes
	formIPv4             // four bytes, and two of a port or none
	formIPv6             // sixteen bytes, and two of a port or none
	formPair             // the length of a key, that key, and another
)

// key is a reusable list key: its bytes are in words, or in text.
type key struct {
	sketch.PairKey
	form  byte
	words [3]uint64 // the bytes of an address or a port, in little endian
	text  []byte    // the bytes of another key, the form included; also scratch
}

// setText sets k to a text.
func (k *key) setText(h *hash64.Hasher, text []byte) {
	k.setHashed(h.Sum(text), text)
}

// setHashed is setText for a text with a precomputed hash.
func (k *key) setHashed(hash uint64, text []byte) {
	k.text = append(append(k.text[:0], formText), text...)
	k.setForm(hash)
}

// setForm sets k to the key in text.
func (k *key) setForm(hash uint64) {
	k.form = k.text[0]
	k.Set(hash, k.text)
}

// isText reports whether k is a text.
func (k *key) isText() bool { return k.form == formText }

// setWords sets k to the first n bytes of three words.
func (k *key) setWords(form byte, hash, first, second, third uint64, n int) {
	k.form = form
	k.words[0], k.words[1], k.words[2] = first, second, third
	k.SetWords(hash, first, second, third, n)
}

func (k *key) setPort(hash uint64, port uint16) {
	k.setWords(formPort, hash, uint64(formPort)|uint64(bits.ReverseBytes16(port))<<8, 0, 0, 3)
}

func (k *key) setAddr(hash uint64, ip netip.Addr) {
	if ip.Is4() {
		a := ip.As4()
		k.setWords(formIPv4, hash, uint64(formIPv4)|uint64(binary.LittleEndian.Uint32(a[:]))<<8, 0, 0, 5)
		return
	}
	a := ip.As16()
	first, second := binary.LittleEndian.Uint64(a[:]), binary.LittleEndian.Uint64(a[8:])
	k.setWords(formIPv6, hash, uint64(formIPv6)|first<<8, first>>56|second<<8, second>>56, 17)
}

// setBoth sets k to an address and a port, each possibly text.
func (k *key) setBoth(h *hash64.Hasher, addr, port *key) {
	if addr.isText() || port.isText() {
		var buf [64]byte
		k.text = append(appendName(append(k.text[:0], formText), addr.AppendTo(buf[:0])), ':')
		k.text = appendName(k.text, port.AppendTo(buf[:0]))
		k.setForm(h.Sum(k.text[1:]))
		return
	}
	hash, number := h.Pair(addr.Hash(), port.Hash()), port.words[0]>>8
	if addr.form == formIPv4 {
		k.setWords(formIPv4, hash, addr.words[0]|number<<40, 0, 0, 7)
		return
	}
	k.setWords(formIPv6, hash, addr.words[0], addr.words[1], addr.words[2]|number<<8, 19)
}

// setPair sets k to the pair of two addresses with ports, in either order.
func (k *key) setPair(h *hash64.Hasher, a, b *key) {
	var first, second [64]byte
	one, two := a.AppendTo(first[:0]), b.AppendTo(second[:0])
	if bytes.Compare(one, two) > 0 {
		a, b, one, two = b, a, two, one
	}
	if a.isText() || b.isText() {
		k.text = appendPair(append(k.text[:0], formText), one, two)
		k.setForm(h.Sum(k.text[1:]))
		return
	}
	k.text = append(append(append(k.text[:0], formPair, byte(len(one))), one...), two...)
	k.setForm(h.Pair(a.Hash(), b.Hash()))
}

// itemOf returns the item of a key.
func itemOf(key []byte) metric.Item { return metric.Item{Name: string(appendName(nil, key))} }

// appendName appends the displayed name of a key.
func appendName(dst, key []byte) []byte {
	form, rest := key[0], key[1:]
	switch form {
	case formPort:
		return strconv.AppendUint(dst, uint64(binary.BigEndian.Uint16(rest)), 10)
	case formIPv4:
		return appendPort(netip.AddrFrom4([4]byte(rest)).AppendTo(dst), rest[4:])
	case formIPv6:
		return appendPort(netip.AddrFrom16([16]byte(rest)).AppendTo(dst), rest[16:])
	case formPair:
		n := 1 + int(rest[0])
		return appendPair(dst, rest[1:n], rest[n:])
	}
	return append(dst, rest...)
}

func appendPort(dst, port []byte) []byte {
	if len(port) == 0 {
		return dst
	}
	return strconv.AppendUint(append(dst, ':'), uint64(binary.BigEndian.Uint16(port)), 10)
}

// appendPair appends the names of two keys in the order of their text, as pktvisor does.
func appendPair(dst, a, b []byte) []byte {
	first, second := appendName(nil, a), appendName(nil, b)
	if bytes.Compare(first, second) > 0 {
		first, second = second, first
	}
	return slices.Concat(dst, first, []byte{'/'}, second)
}

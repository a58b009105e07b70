package flow

import (
	"bytes"
	"encoding/binary"
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

// key is a reusable list key.
type key struct {
	sketch.PairKey
	bytes []byte
}

// set sets k to the key in its bytes.
func (k *key) set(hash uint64) { k.Set(hash, k.bytes) }

// setText sets k to a text.
func (k *key) setText(h *hash64.Hasher, text []byte) {
	k.setHashed(h.Sum(text), text)
}

// setHashed is setText for a text with a precomputed hash.
func (k *key) setHashed(hash uint64, text []byte) {
	k.bytes = append(append(k.bytes[:0], formText), text...)
	k.set(hash)
}

// isText reports whether k is a text.
func (k *key) isText() bool { return k.bytes[0] == formText }

func (k *key) setPort(hash uint64, port uint16) {
	k.bytes = binary.BigEndian.AppendUint16(append(k.bytes[:0], formPort), port)
	k.set(hash)
}

func (k *key) setAddr(hash uint64, ip netip.Addr) {
	if ip.Is4() {
		a := ip.As4()
		k.bytes = append(append(k.bytes[:0], formIPv4), a[:]...)
	} else {
		a := ip.As16()
		k.bytes = append(append(k.bytes[:0], formIPv6), a[:]...)
	}
	k.set(hash)
}

// setBoth sets k to an address and a port, each possibly text.
func (k *key) setBoth(h *hash64.Hasher, addr, port *key) {
	if addr.isText() || port.isText() {
		k.bytes = appendName(append(appendName(append(k.bytes[:0], formText), addr.bytes), ':'), port.bytes)
		k.set(h.Sum(k.bytes[1:]))
		return
	}
	k.bytes = append(append(k.bytes[:0], addr.bytes...), port.bytes[1:]...)
	k.set(h.Pair(addr.Hash(), port.Hash()))
}

// setPair sets k to the pair of two addresses with ports, in either order.
func (k *key) setPair(h *hash64.Hasher, a, b *key) {
	if bytes.Compare(a.bytes, b.bytes) > 0 {
		a, b = b, a
	}
	k.bytes = append(k.bytes[:0], formPair, byte(min(len(a.bytes), 0xFF)))
	if a.isText() || b.isText() || len(a.bytes) > 0xFF {
		k.bytes = appendPair(append(k.bytes[:0], formText), a.bytes, b.bytes)
		k.set(h.Sum(k.bytes[1:]))
		return
	}
	k.bytes = append(append(k.bytes, a.bytes...), b.bytes...)
	k.set(h.Pair(a.Hash(), b.Hash()))
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

package anonymize

import (
	"bytes"
	"net/netip"
	"strconv"
)

// zone holds the names for addresses of one IP version: a label for each part of an address, the
// last part first.
type zone struct {
	suffix []byte // on the wire, without the final zero
	bits   int    // of a part
	base   int    // of its digits
	most   int    // parts
}

var (
	zone4 = zone{[]byte("\x07in-addr\x04arpa"), 8, 10, 4} // RFC 1035 section 3.5
	zone6 = zone{[]byte("\x03ip6\x04arpa"), 4, 16, 32}    // RFC 3596 section 2.5
)

// AppendName appends the name that is shown for a name, which contains an address if it is below
// in-addr.arpa or ip6.arpa. It returns false, and dst unchanged, if the name is shown as it is.
//
// The address is replaced as [Cache.Addr] does. Labels of cut bits, and labels in front of the
// address, are left out: for 24 bits, 77.2.0.192.in-addr.arpa becomes 2.0.192.in-addr.arpa.
//
// The name is the key of a [visor/decode/dnsmsg.Name], whole or a part. A part ends with a zero,
// and so does its replacement.
func (c *Cache) AppendName(dst, name []byte) (out []byte, changed bool) {
	if c == nil {
		return dst, false
	}
	wire := bytes.TrimSuffix(name, []byte{0})
	z := &zone4
	if !bytes.HasSuffix(wire, z.suffix) {
		z = &zone6
	}
	labels, ok := bytes.CutSuffix(wire, z.suffix)
	if !ok || len(labels) == 0 {
		return dst, false
	}
	out, ok = c.appendBelow(dst, labels, z)
	if !ok || bytes.Equal(out[len(dst):], labels) {
		return dst, false
	}
	return append(out, name[len(labels):]...), true
}

// appendBelow appends the labels that are shown for the labels below a zone. It returns false if
// the name only ends with the zone's bytes.
func (c *Cache) appendBelow(dst, labels []byte, z *zone) (out []byte, ok bool) {
	var starts [128]uint8 // of labels
	n := 0
	for at := 0; at < len(labels); at += 1 + int(labels[at]) {
		if n == len(starts) || at+1+int(labels[at]) > len(labels) {
			return dst, false
		}
		starts[n] = uint8(at)
		n++
	}
	var b [16]byte
	parts := 0
	for parts < min(n, z.most) {
		at := int(starts[n-1-parts])
		value, ok := z.parse(labels[at+1 : at+1+int(labels[at])])
		if !ok {
			break
		}
		b[parts*z.bits/8] |= value << (8 - z.bits - parts*z.bits%8)
		parts++
	}
	addr := netip.AddrFrom16(b)
	if z == &zone4 {
		addr = netip.AddrFrom4([4]byte(b[:]))
	}
	parts = min(parts, (c.method.kept(addr)+z.bits-1)/z.bits)
	copy(b[:], c.Addr(addr).AsSlice())
	for i := parts - 1; i >= 0; i-- {
		value := b[i*z.bits/8] >> (8 - z.bits - i*z.bits%8) & (1<<z.bits - 1)
		at := len(dst)
		dst = strconv.AppendUint(append(dst, 0), uint64(value), z.base)
		dst[at] = byte(len(dst) - at - 1)
	}
	return dst, true
}

// parse returns the part of an address in a label.
func (z *zone) parse(label []byte) (part byte, ok bool) {
	value := 0
	for _, d := range label {
		digit := int(d - '0')
		if d >= 'a' {
			digit = int(d-'a') + 10
		}
		if digit >= z.base || len(label) > 3 {
			return 0, false
		}
		value = value*z.base + digit
	}
	return byte(value), value < 1<<z.bits
}

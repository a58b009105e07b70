package proxymsg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"
)

// The errors of Parse.
var (
	ErrNone      = errors.New("proxymsg: no header")
	ErrTruncated = errors.New("proxymsg: header truncated") // more bytes are needed
	ErrMalformed = errors.New("proxymsg: header malformed")
)

// Header is a proxy's description of a connection or datagram.
type Header struct {
	Src netip.AddrPort // the client; invalid if the proxy speaks for itself, or lacks the address
	Dst netip.AddrPort // the address that the client contacted; invalid like Src
	Len int            // bytes of the header
}

const (
	signature1 = "PROXY "
	signature2 = "\r\n\r\n\x00\r\nQUIT\n"

	maxV1     = 107 // bytes of a header of version 1, including the end of line
	fixedLen  = 16  // of a header of version 2
	lengthAt2 = 14
)

// Begins reports whether b may be the beginning of a header.
func Begins(b []byte) bool {
	return len(b) > 0 && (b[0] == signature2[0] || b[0] == signature1[0]) && (begins(b, signature2) || begins(b, signature1))
}

func begins(b []byte, signature string) bool {
	n := min(len(b), len(signature))
	return string(b[:n]) == signature[:n]
}

// Parse returns the header at the start of b. It returns [ErrNone] if b does not begin with one,
// [ErrTruncated] if b ends within it, and [ErrMalformed] if the bytes after the signature are
// invalid.
func Parse(b []byte) (Header, error) {
	switch {
	case begins(b, signature2):
		return parse2(b)
	case begins(b, signature1):
		return parse1(b)
	}
	return Header{}, ErrNone
}

// parse2 reads a header of version 2: a signature, four bytes, addresses, and options, which are
// ignored.
func parse2(b []byte) (h Header, err error) {
	if len(b) < fixedLen {
		return h, ErrTruncated
	}
	version, command, family := b[12]>>4, b[12]&15, b[13]>>4
	h.Len = fixedLen + int(binary.BigEndian.Uint16(b[lengthAt2:]))
	if version != 2 || command > 1 {
		return Header{}, ErrMalformed
	}
	if len(b) < h.Len {
		return h, ErrTruncated
	}
	body := b[fixedLen:h.Len]
	switch {
	case command == 0: // the proxy itself
	case family == 1 && len(body) >= 12:
		h.Src, h.Dst = ends(body, 4)
	case family == 2 && len(body) >= 36:
		h.Src, h.Dst = ends(body, 16)
	case family == 1 || family == 2:
		return Header{}, ErrMalformed
	}
	return h, nil
}

// ends reads two addresses of n bytes and two ports.
func ends(b []byte, n int) (src, dst netip.AddrPort) {
	from, _ := netip.AddrFromSlice(b[:n])
	to, _ := netip.AddrFromSlice(b[n : 2*n])
	ports := b[2*n:]
	return netip.AddrPortFrom(from, binary.BigEndian.Uint16(ports)), netip.AddrPortFrom(to, binary.BigEndian.Uint16(ports[2:]))
}

// parse1 reads a header of version 1: a line of text.
func parse1(b []byte) (h Header, err error) {
	line := b[:min(len(b), maxV1)]
	end := bytes.Index(line, []byte("\r\n"))
	switch {
	case end < 0 && len(b) < maxV1:
		return h, ErrTruncated
	case end < 0:
		return h, ErrMalformed
	}
	h.Len = end + 2
	fields := bytes.Split(line[len(signature1):end], []byte{' '})
	if string(fields[0]) == "UNKNOWN" {
		return h, nil
	}
	if len(fields) != 5 || string(fields[0]) != "TCP4" && string(fields[0]) != "TCP6" {
		return Header{}, ErrMalformed
	}
	src, srcErr := textEnd(fields[1], fields[3])
	dst, dstErr := textEnd(fields[2], fields[4])
	if srcErr != nil || dstErr != nil {
		return Header{}, ErrMalformed
	}
	h.Src, h.Dst = src, dst
	return h, nil
}

func textEnd(addr, port []byte) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(string(addr))
	if err != nil {
		return netip.AddrPort{}, err
	}
	p, err := strconv.ParseUint(string(port), 10, 16)
	return netip.AddrPortFrom(a.WithZone("").Unmap(), uint16(p)), err
}

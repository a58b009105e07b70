package pcapfile

import (
	"math"
	"math/bits"

	"visor/decode"
)

// Options of an Interface Description Block (draft-ietf-opsawg-pcapng section 4.2).
const (
	optionEnd      = 0
	optionTimeUnit = 9  // if_tsresol
	optionOffset   = 14 // if_tsoffset
)

// iface holds the properties of a pcapng interface that are needed to read its packets.
//
// A timestamp of t ticks is offset + t*mul/div ns, or offset + t*mul>>shift if div is 0.
type iface struct {
	mul, div uint64
	offset   int64 // ns
	snaplen  uint32
	link     decode.LinkType
	shift    uint8
}

// newInterface parses the body of an Interface Description Block. An option that exceeds the block
// ends the list of options.
func (f *pcapng) newInterface(body []byte) iface {
	i := iface{link: decode.LinkType(f.u16(body)), snaplen: f.u32(body[4:])}
	i.setResolution(6)
	for opts := body[8:]; len(opts) >= 4; {
		code, size := f.u16(opts), int(f.u16(opts[2:]))
		opts = opts[4:]
		if code == optionEnd || size > len(opts) {
			break
		}
		switch {
		case code == optionTimeUnit && size >= 1:
			i.setResolution(opts[0])
		case code == optionOffset && size >= 8:
			hi, lo := f.u32(opts), f.u32(opts[4:])
			if !f.big {
				hi, lo = lo, hi
			}
			i.offset = secondsToNS(int64(uint64(hi)<<32 | uint64(lo)))
		}
		opts = opts[min((size+3)&^3, len(opts)):]
	}
	return i
}

// setResolution sets the length of a tick from if_tsresol: 10^-r s, or 2^-r s if the highest bit is
// set.
func (i *iface) setResolution(r byte) {
	switch {
	case r&0x80 != 0:
		i.mul, i.div, i.shift = 1e9, 0, r&0x7F
	case r <= 9:
		i.mul, i.div = power10(9-r), 1
	default:
		i.mul, i.div = 1, power10(r-9)
	}
}

// power10 returns 10^n, or the largest uint64 if 10^n exceeds it. The difference does not matter:
// dividing by either yields 0, except for timestamps beyond 2^63 ticks.
func power10(n byte) uint64 {
	if n > 19 {
		return math.MaxUint64
	}
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}

// timeNS returns the timestamp of a packet in ns since the Unix epoch, clamped to the range of
// int64.
func (i *iface) timeNS(ticks uint64) int64 {
	hi, lo := bits.Mul64(ticks, i.mul)
	switch {
	case i.div == 1:
	case i.div == 0 && i.shift >= 64:
		hi, lo = 0, hi>>(i.shift-64)
	case i.div == 0:
		hi, lo = hi>>i.shift, lo>>i.shift|hi<<(64-i.shift)
	default: // here mul is 1
		lo /= i.div
	}
	if hi != 0 || lo > math.MaxInt64 {
		lo = math.MaxInt64
	}
	return addSaturating(int64(lo), i.offset)
}

func secondsToNS(s int64) int64 {
	const limit = math.MaxInt64 / 1_000_000_000
	switch {
	case s > limit:
		return math.MaxInt64
	case s < -limit:
		return math.MinInt64
	}
	return s * 1e9
}

func addSaturating(a, b int64) int64 {
	switch sum := a + b; {
	case a > 0 && b > 0 && sum < 0:
		return math.MaxInt64
	case a < 0 && b < 0 && sum >= 0:
		return math.MinInt64
	default:
		return sum
	}
}

package netflow

import (
	"encoding/binary"
	"net/netip"

	"visor/decode"
)

// maxFlows bounds the flows of a datagram to save memory: records of a byte or two cannot describe
// a flow.
const maxFlows = 4096

// records reads the records of a data set by their template. A remainder at the end is padding.
func (d *Decoder) records(t *template, b []byte) {
	if t.length == 0 || len(t.ops) == 0 && t.options {
		d.skip(t, b)
		return
	}
	for len(b) >= t.length {
		if len(d.out.Flows) >= maxFlows {
			d.flood = true
			return
		}
		n := t.length
		if t.lengths != nil {
			if d.fields, n = t.split(b, d.fields[:0]); n < 0 {
				return
			}
		}
		d.recs++
		r := record{}
		if t.lengths != nil {
			r.takeVariable(t, b, d.fields)
		} else {
			r.take(t, b[:n:n])
		}
		if t.options {
			d.stats.OptionRecords++
			d.learnRate(&r)
		} else {
			d.add(&r)
		}
		b = b[n:]
	}
}

// add adds the flow of a record, and the flow of the other direction if it has one.
func (d *Decoder) add(r *record) {
	r.finish()
	r.flow.Sampling = d.rate(r)
	d.out.Flows = append(d.out.Flows, r.flow)
	if r.back.bytes|r.back.packets != 0 {
		d.out.Flows = append(d.out.Flows, r.reversed())
	}
}

// skip counts records without a relevant field.
func (d *Decoder) skip(t *template, b []byte) {
	n := 0
	if t.length > 0 && t.lengths == nil {
		n = len(b) / t.length
	}
	d.gaps = d.gaps || t.lengths != nil
	d.recs += uint32(n)
	d.stats.OptionRecords += uint64(n)
}

type byteRange struct{ from, to int }

// split finds the fields of a record with fields of variable length. n is the record's length, or
// negative if b ends before it.
func (t *template) split(b []byte, dst []byteRange) (fields []byteRange, n int) {
	for _, size := range t.lengths {
		length := int(size)
		if size == variable {
			if n >= len(b) {
				return dst, -1
			}
			length = int(b[n])
			n++
			if length == 0xFF {
				if n+2 > len(b) {
					return dst, -1
				}
				length = int(binary.BigEndian.Uint16(b[n:]))
				n += 2
			}
		}
		if n+length > len(b) {
			return dst, -1
		}
		dst = append(dst, byteRange{n, n + length})
		n += length
	}
	return dst, n
}

// record is the content of a data record.
type record struct {
	flow       decode.Flow
	back       back
	sampler    uint64
	interval   uint64
	space      uint64
	size       uint64
	population uint64
	frameSize  uint64
	hasSampler bool
}

// back is the content of a bidirectional record for the other direction.
type back struct {
	bytes, packets uint64
	tos            uint8
	hasToS         bool
}

// take reads the fields of a record of fixed length.
func (r *record) take(t *template, b []byte) {
	for _, o := range t.ops {
		r.field(o.kind, b[o.at:int(o.at)+int(o.len)])
	}
}

func (r *record) takeVariable(t *template, b []byte, fields []byteRange) {
	for _, o := range t.ops {
		f := fields[o.at]
		if v := b[f.from:f.to]; o.len != variable || o.kind.fits(uint16(min(len(v), 0xFFFF))) {
			r.field(o.kind, v)
		}
	}
}

// field reads one field, whose length fits its kind.
func (r *record) field(k kind, v []byte) {
	f := &r.flow
	switch k {
	case kindSrc4:
		setAddr(&f.Src, netip.AddrFrom4([4]byte(v)))
	case kindDst4:
		setAddr(&f.Dst, netip.AddrFrom4([4]byte(v)))
	case kindSrc6:
		setAddr(&f.Src, netip.AddrFrom16([16]byte(v)))
	case kindDst6:
		setAddr(&f.Dst, netip.AddrFrom16([16]byte(v)))
	case kindFrame:
		f.Header, f.HeaderLink = v, decode.LinkEthernet
	case kindIPHeader:
		f.Header, f.HeaderLink = v, decode.LinkRaw
	default:
		r.number(k, uintOf(v))
	}
}

// setAddr sets an address. Templates with both families set one of them to zero.
func setAddr(to *netip.Addr, a netip.Addr) {
	if !to.IsValid() || !a.IsUnspecified() {
		*to = a
	}
}

func (r *record) number(k kind, n uint64) {
	f := &r.flow
	switch k {
	case kindSrcPort:
		f.SrcPort = uint16(n)
	case kindDstPort:
		f.DstPort = uint16(n)
	case kindProto:
		f.Proto = uint8(n)
	case kindToS:
		f.ToS = uint8(n)
	case kindPhysicalInput, kindInput:
		f.Input = uint32(n)
	case kindPhysicalOutput, kindOutput:
		f.Output = uint32(n)
	case kindBytes, kindPostBytes, kindInitiatorBytes, kindFrameBytes, kindTotalBytes, kindPostTotalBytes, kindFrameTotalBytes:
		if n != 0 { // among several counters, the preferred one that is not 0
			f.Bytes = n
		}
	case kindPackets, kindPostPackets, kindInitiatorPackets, kindTotalPackets, kindPostTotalPackets:
		if n != 0 {
			f.Packets = n
		}
	case kindDirection:
		f.Observed = observed(n)
	default:
		r.side(k, n)
	}
}

// observed returns the meaning of a flowDirection value.
func observed(n uint64) decode.Observed {
	switch n {
	case 0:
		return decode.AtIngress
	case 1:
		return decode.AtEgress
	}
	return decode.Anywhere
}

// side extracts the fields that do not describe the flow itself.
func (r *record) side(k kind, n uint64) {
	switch k {
	case kindSampler:
		r.sampler, r.hasSampler = n, true
	case kindInterval:
		r.interval = n
	case kindSpace:
		r.space = n
	case kindSize:
		r.size = n
	case kindPopulation:
		r.population = n
	case kindFrameSize:
		r.frameSize = n
	case kindReverseToS:
		r.back.tos, r.back.hasToS = uint8(n), true
	case kindReverseBytes, kindResponderBytes, kindReverseTotalBytes:
		if n != 0 {
			r.back.bytes = n
		}
	case kindReversePackets, kindResponderPackets, kindReverseTotalPackets:
		if n != 0 {
			r.back.packets = n
		}
	}
}

// reversed returns the flow of the other direction (RFC 5103 section 2). The input interface
// becomes the output interface. The class of service defaults to the one of the first direction.
func (r *record) reversed() decode.Flow {
	f := r.flow
	f.Src, f.Dst, f.SrcPort, f.DstPort, f.Input, f.Output = f.Dst, f.Src, f.DstPort, f.SrcPort, f.Output, f.Input
	f.Bytes, f.Packets = r.back.bytes, r.back.packets
	switch f.Observed {
	case decode.AtIngress:
		f.Observed = decode.AtEgress
	case decode.AtEgress:
		f.Observed = decode.AtIngress
	}
	if r.back.hasToS {
		f.ToS = r.back.tos
	}
	f.Header = nil
	return f
}

// finish completes the flow. A flow with the beginning of a packet counts as one packet.
func (r *record) finish() {
	f := &r.flow
	if f.Header != nil {
		if f.Packets == 0 {
			f.Packets = 1
		}
		if f.Bytes == 0 {
			f.Bytes = max(r.frameSize, uint64(len(f.Header)))
		}
	}
}

// uintOf reads an unsigned integer of up to eight bytes.
func uintOf(v []byte) (n uint64) {
	switch len(v) {
	case 1:
		return uint64(v[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(v))
	case 4:
		return uint64(binary.BigEndian.Uint32(v))
	case 8:
		return binary.BigEndian.Uint64(v)
	}
	for _, b := range v {
		n = n<<8 | uint64(b)
	}
	return n
}

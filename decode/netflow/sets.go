package netflow

import (
	"encoding/binary"
)

const (
	v9HeaderLen    = 20
	ipfixHeaderLen = 16
	setHeaderLen   = 4
	minDataSet     = 256 // lower numbers are for templates, or reserved
)

// v9 reads a datagram of version 9 (RFC 3954 section 5).
func (d *Decoder) v9(b []byte) bool {
	if len(b) < v9HeaderLen {
		return false
	}
	d.ipx = false
	d.open(9, binary.BigEndian.Uint32(b[16:]))
	ok := d.sets(b[v9HeaderLen:])
	datagrams, flows := d.src.sequence.v9(binary.BigEndian.Uint32(b[12:]), d.recs, ok && !d.gaps)
	d.out.LostDatagrams += datagrams
	d.out.LostFlows += flows
	return ok
}

// ipfix reads a message of IPFIX (RFC 7011 section 3.1). Its sequence number counts the data
// records before it.
func (d *Decoder) ipfix(b []byte) bool {
	if len(b) < ipfixHeaderLen {
		return false
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n < ipfixHeaderLen {
		return false
	}
	d.ipx = true
	d.open(10, binary.BigEndian.Uint32(b[12:]))
	number := binary.BigEndian.Uint32(b[8:])
	ok := d.sets(b[ipfixHeaderLen:min(n, len(b))]) && n <= len(b)
	d.out.LostFlows += d.src.sequence.ipfix(number, d.recs)
	if d.gaps || !ok {
		d.src.sequence.synced = false // the number of records is unknown
	}
	return ok
}

// sets reads the sets of a datagram. The last one may claim to be longer than the datagram, by an
// exporter's fault or because a capture has cut it: its whole records count, and it is an error.
func (d *Decoder) sets(b []byte) (ok bool) {
	for len(b) >= setHeaderLen {
		id, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if id == 0 && n == 0 { // padding outside any set
			return true
		}
		if n < setHeaderLen {
			return false
		}
		if n > len(b) {
			if id >= minDataSet {
				d.dataSet(id, b[setHeaderLen:])
			}
			return false
		}
		if !d.set(id, b[setHeaderLen:n:n]) {
			return false
		}
		b = b[n:]
	}
	return true
}

func (d *Decoder) set(id uint16, b []byte) (ok bool) {
	const v9Templates, v9Options, ipfixTemplates, ipfixOptions = 0, 1, 2, 3
	switch {
	case id >= minDataSet:
		d.dataSet(id, b)
		return true
	case id == v9Templates && !d.ipx, id == ipfixTemplates && d.ipx:
		return d.templateSet(b, false)
	case id == v9Options && !d.ipx, id == ipfixOptions && d.ipx:
		return d.templateSet(b, true)
	}
	return true // reserved
}

// dataSet reads the records of a data set, or holds the set until its template arrives.
func (d *Decoder) dataSet(id uint16, b []byte) {
	t := d.src.templates[id]
	if t != nil && d.now-t.renewed >= d.ttl {
		d.sources.drop(d.src, id)
		t = nil
	}
	if t == nil {
		d.gaps = true
		d.stats.HeldSets++
		d.out.HeldSets++
		d.src.heldSince = min(d.src.heldSince, d.now)
		d.lose(d.held.add(setKey{d.src.key, id}, d.now, b))
		return
	}
	d.records(t, b)
}

// loseOwn counts dropped sets of the current source.
func (d *Decoder) loseOwn(sets uint32) {
	d.stats.LostSets += uint64(sets)
	d.out.LostSets += sets
}

// lose counts dropped sets for their sources.
func (d *Decoder) lose(sets []setKey) {
	for _, set := range sets {
		if set.source == d.src.key {
			d.loseOwn(1)
			continue
		}
		d.stats.LostSets++
		if s := d.sources.byKey[set.source]; s != nil {
			s.lostSets++
		}
	}
}

package decode

import "encoding/binary"

// wifiAfter strips the header that a capture program put before an IEEE 802.11 frame, and the
// frame's header.
func wifiAfter(link LinkType, b []byte) (uint16, []byte, error) {
	const (
		prismLen = 144
		avsMagic = 0x80211000 // its last digits are the version
	)
	n := 0
	switch {
	case link == LinkWiFi:
	case len(b) < 8:
		return 0, nil, ErrTruncated
	case link == LinkRadiotap: // https://www.radiotap.org
		n = int(binary.LittleEndian.Uint16(b[2:]))
	case link == LinkAVS || be32(b)&^0xFFF == avsMagic&^0xFFF: // drivers of Prism cards write both
		n = int(be32(b[4:]) & 0xFFFF)
	default:
		n = prismLen
	}
	if len(b) < n {
		return 0, nil, ErrTruncated
	}
	return wifi(b[n:])
}

// wifi strips the header of an IEEE 802.11 data frame, and LLC behind it. Frames without data and
// encrypted frames are not decoded further.
func wifi(b []byte) (uint16, []byte, error) {
	const (
		typeMask, typeData = 0x0C, 0x08
		noData, withQoS    = 0x40, 0x80
		bothSystems        = 0x03
		protected, order   = 0x40, 0x80
		aggregated         = 0x80
	)
	if len(b) < 2 {
		return 0, nil, ErrTruncated
	}
	if b[0]&typeMask != typeData || b[0]&noData != 0 || b[1]&protected != 0 {
		return etherNone, nil, nil
	}
	n, qos := 24, 0
	if b[1]&bothSystems == bothSystems { // a fourth address
		n += 6
	}
	if b[0]&withQoS != 0 {
		qos, n = n, n+2
		if b[1]&order != 0 { // HT control
			n += 4
		}
	}
	if len(b) < n {
		return 0, nil, ErrTruncated
	}
	if qos > 0 && b[qos]&aggregated != 0 { // several frames: the first one is decoded
		n += ethernetHeaderLen
	}
	if len(b) < n {
		return 0, nil, ErrTruncated
	}
	if b[22]&0x0F != 0 { // a later fragment of a frame
		return etherNone, nil, nil
	}
	return llc(b[n:])
}

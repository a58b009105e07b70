package filter

import (
	"slices"

	"visor/decode"
)

// wifi places what is in frames of IEEE 802.11. Each frame has its own header length, so their
// places go to the scratch memory before anything else, see [compiler.wifiSlots].
func (c *compiler) wifi() {
	c.naming, c.header, c.llcAt = bySNAP, place{slot: slotHeader}, place{slot: slotPayload}
	c.typeAt, c.payload = c.llcAt.plus(6), c.llcAt.plus(8) // SNAP
}

func isWiFi(link decode.LinkType) bool {
	switch link {
	case decode.LinkWiFi, decode.LinkPrism, decode.LinkRadiotap, decode.LinkAVS:
		return true
	}
	return false
}

// readsSlots reports whether a test looks at what is behind a header of variable length.
func readsSlots(t test) bool {
	reads := func(c code) bool {
		return slices.ContainsFunc(c, func(ins instruction) bool {
			return (ins.Op == opLoadMem || ins.Op == opLoadXMem) && ins.K >= slotType
		})
	}
	switch t := t.(type) {
	case leaf:
		return reads(t.code)
	case effect:
		return reads(t.code) || readsSlots(t.then)
	case sequence:
		return readsSlots(t.first) || readsSlots(t.second)
	case choice:
		return readsSlots(t.first) || readsSlots(t.second)
	case inverse:
		return readsSlots(t.of)
	}
	return false
}

// The frame control field.
const (
	wifiTypes      = 0x0C
	wifiManagement = 0x00
	wifiDataType   = 0x08
	wifiQoS        = 0x80
	wifiToSystem   = 0x01 // of its second byte
	wifiFromSystem = 0x02
	wifiLength     = 24 // of a header with three addresses
)

// wifiSlots fills the slots: where the frame begins, behind what the driver has put before it, and
// where its payload does.
func (c *compiler) wifiSlots(t test) test {
	header := code{{Op: opLoadConst}}
	switch c.link {
	case decode.LinkRadiotap: // a length of 16 bits, little endian
		header = code{{Op: opLoad | opAbs | opByte, K: 3}, {Op: opALU | opLsh, K: 8}, {Op: opTAX},
			{Op: opLoad | opAbs | opByte, K: 2}, {Op: opALU | opX | opOr}}
	case decode.LinkAVS:
		header = code{{Op: opLoad | opAbs | opWord, K: 4}}
	case decode.LinkPrism: // 144 bytes, unless it is a header of AVS under this number, with a length of its own
		const avs, length = 0x80211000, 144
		isAVS := masked(place{}, opWord, 0xFFFFF000, avs)
		own := code{{Op: opLoad | opAbs | opWord, K: 4}}
		return either(both(isAVS, c.wifiFrame(own, t)), both(not(isAVS), c.wifiFrame(code{{Op: opLoadConst, K: length}}, t)))
	}
	return c.wifiFrame(header, t)
}

// wifiFrame fills the slots of a frame that begins where header leads. QoS data frames have a longer
// header.
func (c *compiler) wifiFrame(header code, t test) test {
	return effect{append(header, code{
		{Op: opStore, K: slotHeader},
		{Op: opStore, K: slotType}, // the kernel wants all that may be read to be written
		{Op: opTAX},
		{Op: opLoad | opInd | opByte},
		{Op: opALU | opAnd, K: wifiQoS},
		{Op: opALU | opRsh, K: 6}, // 2 bytes
		{Op: opALU | opAdd, K: wifiLength},
		{Op: opALU | opX | opAdd},
		{Op: opStore, K: slotPayload},
	}...), t}
}

// wifiType tests the type of a frame, and wifiSystems whether it goes to and comes from a
// distribution system.
func (c *compiler) wifiType(v uint32) test { return masked(c.header, opByte, wifiTypes, v) }

func (c *compiler) wifiSystems(mask, v uint32) test {
	return masked(c.header.plus(1), opByte, mask, v)
}

func (c *compiler) wifiData() test { return c.wifiType(wifiDataType) }

// afterLLC tests what follows LLC.
func (c *compiler) afterLLC(v uint32) test {
	switch {
	case v == sapISO || v == sapNetBEUI:
		return at(c.llcAt, opHalf, v<<8|v)
	case v == etherAppleTalk:
		return both(at(c.llcAt.plus(4), opWord, 0x0007<<16|v), at(c.llcAt, opWord, 0xAAAA0308))
	case v <= etherMaxLength:
		return at(c.llcAt, opByte, v)
	}
	return at(c.typeAt, opHalf, v)
}

// wifiDestination and wifiSource apply a test to the place of an address (IEEE 802.11, section
// 9.3.2).
func (c *compiler) wifiDestination(is func(p place) test) test {
	first, third := is(c.header.plus(4)), is(c.header.plus(16))
	data := both(c.wifiData(), either(
		both(c.wifiSystems(wifiToSystem, wifiToSystem), third),
		both(c.wifiSystems(wifiToSystem, 0), first)))
	return either(data, both(c.wifiType(wifiManagement), first))
}

func (c *compiler) wifiSource(is func(p place) test) test {
	second, third, fourth := is(c.header.plus(10)), is(c.header.plus(16)), is(c.header.plus(24))
	data := both(c.wifiData(), either(
		both(c.wifiSystems(wifiFromSystem, 0), second),
		both(c.wifiSystems(wifiToSystem|wifiFromSystem, wifiFromSystem), third),
		both(c.wifiSystems(wifiToSystem|wifiFromSystem, wifiToSystem|wifiFromSystem), fourth)))
	return either(data, both(c.wifiType(wifiManagement), second))
}

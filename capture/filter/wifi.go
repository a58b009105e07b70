package filter

import (
	"visor/capture/filter/cbpf"
	"visor/decode"
)

// wifi sets the positions in frames of IEEE 802.11. The length of the header varies by frame, so
// positions are stored in the scratch memory first; see [compiler.wifiSlots].
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

// readsSlots reports whether a test reads fields behind a header of variable length.
func readsSlots(t cbpf.Test) bool {
	return cbpf.Has(t, func(ins cbpf.Instruction) bool {
		return (ins.Op == cbpf.LoadMem || ins.Op == cbpf.LoadXMem) && ins.K >= slotType
	})
}

// The frame control field.
const (
	wifiTypes      = 0x0C
	wifiManagement = 0x00
	wifiDataType   = 0x08
	wifiQoS        = 0x80
	wifiToSystem   = 0x01 // flag of the second byte
	wifiFromSystem = 0x02
	wifiLength     = 24 // length of a header with three addresses
)

// wifiSlots fills the slots: the start of the frame, after the headers of the driver, and the start
// of its payload.
func (c *compiler) wifiSlots(t cbpf.Test) cbpf.Test {
	header := cbpf.Code{{Op: cbpf.LoadConst}}
	switch c.link {
	case decode.LinkRadiotap: // a length of 16 bits, little endian
		header = cbpf.Code{{Op: cbpf.Load | cbpf.Abs | cbpf.Byte, K: 3}, {Op: cbpf.ALU | cbpf.Lsh, K: 8}, {Op: cbpf.TAX},
			{Op: cbpf.Load | cbpf.Abs | cbpf.Byte, K: 2}, {Op: cbpf.ALU | cbpf.X | cbpf.Or}}
	case decode.LinkAVS:
		header = cbpf.Code{{Op: cbpf.Load | cbpf.Abs | cbpf.Word, K: 4}}
	// 144 bytes, unless it is an AVS header, which uses the same link type and has a length field
	case decode.LinkPrism:
		const avs, length = 0x80211000, 144
		isAVS := masked(place{}, cbpf.Word, 0xFFFFF000, avs)
		own := cbpf.Code{{Op: cbpf.Load | cbpf.Abs | cbpf.Word, K: 4}}
		return cbpf.Any(cbpf.All(isAVS, c.wifiFrame(own, t)), cbpf.All(cbpf.Not(isAVS), c.wifiFrame(cbpf.Code{{Op: cbpf.LoadConst, K: length}}, t)))
	}
	return c.wifiFrame(header, t)
}

// wifiFrame fills the slots of a frame that starts at the position that header computes. QoS data
// frames have a longer header.
func (c *compiler) wifiFrame(header cbpf.Code, t cbpf.Test) cbpf.Test {
	return cbpf.Run(append(header, cbpf.Code{
		{Op: cbpf.Store, K: slotHeader},
		// the kernel requires that all slots that may be read are written
		{Op: cbpf.Store, K: slotType},
		{Op: cbpf.TAX},
		{Op: cbpf.Load | cbpf.Ind | cbpf.Byte},
		{Op: cbpf.ALU | cbpf.And, K: wifiQoS},
		{Op: cbpf.ALU | cbpf.Rsh, K: 6}, // 2 bytes
		{Op: cbpf.ALU | cbpf.Add, K: wifiLength},
		{Op: cbpf.ALU | cbpf.X | cbpf.Add},
		{Op: cbpf.Store, K: slotPayload},
	}...), t)
}

// wifiType tests the type of a frame. wifiSystems tests whether it goes to and comes from a
// distribution system.
func (c *compiler) wifiType(v uint32) cbpf.Test { return masked(c.header, cbpf.Byte, wifiTypes, v) }

func (c *compiler) wifiSystems(mask, v uint32) cbpf.Test {
	return masked(c.header.plus(1), cbpf.Byte, mask, v)
}

func (c *compiler) wifiData() cbpf.Test { return c.wifiType(wifiDataType) }

// afterLLC tests what follows LLC.
func (c *compiler) afterLLC(v uint32) cbpf.Test {
	switch {
	case v == sapISO || v == sapNetBEUI:
		return at(c.llcAt, cbpf.Half, v<<8|v)
	case v == etherAppleTalk:
		return cbpf.All(at(c.llcAt.plus(4), cbpf.Word, 0x0007<<16|v), at(c.llcAt, cbpf.Word, 0xAAAA0308))
	case v <= etherMaxLength:
		return at(c.llcAt, cbpf.Byte, v)
	}
	return at(c.typeAt, cbpf.Half, v)
}

// wifiDestination and wifiSource apply a test to the position of an address (IEEE 802.11, section
// 9.3.2).
func (c *compiler) wifiDestination(is func(p place) cbpf.Test) cbpf.Test {
	first, third := is(c.header.plus(4)), is(c.header.plus(16))
	data := cbpf.All(c.wifiData(), cbpf.Any(
		cbpf.All(c.wifiSystems(wifiToSystem, wifiToSystem), third),
		cbpf.All(c.wifiSystems(wifiToSystem, 0), first)))
	return cbpf.Any(data, cbpf.All(c.wifiType(wifiManagement), first))
}

func (c *compiler) wifiSource(is func(p place) cbpf.Test) cbpf.Test {
	second, third, fourth := is(c.header.plus(10)), is(c.header.plus(16)), is(c.header.plus(24))
	data := cbpf.All(c.wifiData(), cbpf.Any(
		cbpf.All(c.wifiSystems(wifiFromSystem, 0), second),
		cbpf.All(c.wifiSystems(wifiToSystem|wifiFromSystem, wifiFromSystem), third),
		cbpf.All(c.wifiSystems(wifiToSystem|wifiFromSystem, wifiToSystem|wifiFromSystem), fourth)))
	return cbpf.Any(data, cbpf.All(c.wifiType(wifiManagement), second))
}

package netflow

// kind is the use of a field. Kinds that set the same field of a flow are in ascending order of
// preference.
type kind uint8

const (
	kindNone kind = iota
	kindSrc6
	kindDst6
	kindSrc4
	kindDst4
	kindSrcPort
	kindDstPort
	kindProto
	kindToS
	kindReverseToS
	kindDirection
	kindPhysicalInput
	kindInput
	kindPhysicalOutput
	kindOutput
	kindFrameTotalBytes
	kindPostTotalBytes
	kindTotalBytes
	kindFrameBytes
	kindInitiatorBytes
	kindPostBytes
	kindBytes
	kindPostTotalPackets
	kindTotalPackets
	kindInitiatorPackets
	kindPostPackets
	kindPackets
	kindReverseTotalBytes
	kindResponderBytes
	kindReverseBytes
	kindReverseTotalPackets
	kindResponderPackets
	kindReversePackets
	kindFrameSize
	kindFrame
	kindIPHeader
	kindSampler
	kindInterval
	kindSpace
	kindPopulation
	kindSize

	kinds
)

// kindOf returns the kind of the relevant information elements
// (https://www.iana.org/assignments/ipfix), which are also the field types of NetFlow 9.
func kindOf(element uint16) kind {
	switch element {
	case 1:
		return kindBytes // octetDeltaCount
	case 2:
		return kindPackets // packetDeltaCount
	case 4:
		return kindProto // protocolIdentifier
	case 5:
		return kindToS // ipClassOfService
	case 7:
		return kindSrcPort // sourceTransportPort
	case 8:
		return kindSrc4 // sourceIPv4Address
	case 10:
		return kindInput // ingressInterface
	case 11:
		return kindDstPort // destinationTransportPort
	case 12:
		return kindDst4 // destinationIPv4Address
	case 14:
		return kindOutput // egressInterface
	case 23:
		return kindPostBytes // postOctetDeltaCount
	case 24:
		return kindPostPackets // postPacketDeltaCount
	case 27:
		return kindSrc6 // sourceIPv6Address
	case 28:
		return kindDst6 // destinationIPv6Address
	case 61:
		return kindDirection // flowDirection
	}
	return rareKindOf(element)
}

// rareKindOf is kindOf for elements that few exporters send.
func rareKindOf(element uint16) kind {
	switch element {
	case 34, 50, 305:
		return kindInterval // samplingInterval, samplerRandomInterval, samplingPacketInterval
	case 48, 302:
		return kindSampler // samplerId, selectorId
	case 85:
		return kindTotalBytes // octetTotalCount
	case 86:
		return kindTotalPackets // packetTotalCount
	case 103, 312:
		return kindFrameSize // layer2packetSectionSize, dataLinkFrameSize
	case 104, 315:
		return kindFrame // layer2packetSectionData, dataLinkFrameSection
	case 171:
		return kindPostTotalBytes // postOctetTotalCount
	case 172:
		return kindPostTotalPackets // postPacketTotalCount
	case 231:
		return kindInitiatorBytes // initiatorOctets
	case 232:
		return kindResponderBytes // responderOctets
	case 252:
		return kindPhysicalInput // ingressPhysicalInterface
	case 253:
		return kindPhysicalOutput // egressPhysicalInterface
	case 298:
		return kindInitiatorPackets // initiatorPackets
	case 299:
		return kindResponderPackets // responderPackets
	case 306:
		return kindSpace // samplingPacketSpace
	case 309:
		return kindSize // samplingSize
	case 310:
		return kindPopulation // samplingPopulation
	case 313:
		return kindIPHeader // ipHeaderPacketSection
	case 352:
		return kindFrameBytes // layer2OctetDeltaCount
	case 353:
		return kindFrameTotalBytes // layer2OctetTotalCount
	}
	return kindNone
}

// reverseKindOf is kindOf for the elements of the other direction of a bidirectional flow (RFC 5103
// section 6.1).
func reverseKindOf(element uint16) kind {
	switch element {
	case 1:
		return kindReverseBytes
	case 2:
		return kindReversePackets
	case 5:
		return kindReverseToS
	case 85:
		return kindReverseTotalBytes
	case 86:
		return kindReverseTotalPackets
	}
	return kindNone
}

// needless reports whether a template has a better field than k, so that k must not be read even if
// the better one is 0. Totals count from the start of the flow. If the template also has the delta
// since the last record, totals would count packets repeatedly. A frame has more bytes than the
// packet in it. Logical interfaces are the ones that users name.
func (k kind) needless(there *[kinds]bool) bool {
	any := func(better ...kind) bool {
		for _, b := range better {
			if there[b] {
				return true
			}
		}
		return false
	}
	switch k {
	case kindPhysicalInput:
		return there[kindInput]
	case kindPhysicalOutput:
		return there[kindOutput]
	case kindTotalBytes, kindPostTotalBytes:
		return any(kindFrameBytes, kindInitiatorBytes, kindPostBytes, kindBytes)
	case kindFrameTotalBytes:
		return any(kindPostTotalBytes, kindTotalBytes, kindFrameBytes, kindInitiatorBytes, kindPostBytes, kindBytes)
	case kindFrameBytes:
		return any(kindInitiatorBytes, kindPostBytes, kindBytes)
	case kindTotalPackets, kindPostTotalPackets:
		return any(kindInitiatorPackets, kindPostPackets, kindPackets)
	case kindReverseTotalBytes:
		return any(kindResponderBytes, kindReverseBytes)
	case kindReverseTotalPackets:
		return any(kindResponderPackets, kindReversePackets)
	}
	return false
}

// fits reports whether a field of this kind can have n bytes. Integers may be shorter than their
// definition (RFC 7011 section 6.2).
func (k kind) fits(n uint16) bool {
	switch k {
	case kindSrc4, kindDst4:
		return n == 4
	case kindSrc6, kindDst6:
		return n == 16
	case kindFrame, kindIPHeader:
		return n > 0
	}
	return n > 0 && n <= 8
}

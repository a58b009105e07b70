package gopkt

import (
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"visor/decode"
)

// maxLayers bounds the number of headers before the network packet, because gopacket's decoders may
// pass the same bytes on.
const maxLayers = 32

// EtherTypes returned by Fallback.
const (
	etherIPv4 = uint16(layers.EthernetTypeIPv4)
	etherIPv6 = uint16(layers.EthernetTypeIPv6)
	etherARP  = uint16(layers.EthernetTypeARP)
)

// Fallback finds network packets in frames by the decoders of gopacket/layers. Package decode
// supports all of their link types in gopacket 1.1.19, and asks a fallback for no others. Fallback
// is for programs that add link types to layers.LinkTypeMetadata. The zero Fallback is ready to use
// and safe for concurrent use. A frame costs some allocations and up to a few microseconds.
type Fallback struct{}

// Network returns the EtherType of the first IPv4, IPv6 or ARP packet in a frame, and its bytes up
// to the end of the frame. The bytes are not validated; they borrow from frame, or are a copy.
// Network returns false if it finds no such packet, if gopacket does not support the link type, or
// if a decoder fails or panics.
func (Fallback) Network(link decode.LinkType, frame []byte) (etherType uint16, payload []byte, ok bool) {
	if link > 0xFF { // gopacket's link types are numbers of one byte
		return 0, nil, false
	}
	frame = frame[:len(frame):len(frame)] // the radiotap decoder appends to it
	b := &builder{data: frame}
	defer func() {
		if recover() != nil { // decoders of gopacket 1.1.19 index out of range on some input
			etherType, payload, ok = 0, nil, false
		}
	}()
	if err := layers.LinkType(link).Decode(frame, b); err != nil || b.etherType == 0 {
		return 0, nil, false
	}
	return b.etherType, b.data, true
}

// builder follows the headers of one frame and stops before the network packet is decoded. It
// implements gopacket.PacketBuilder, which decoders report their results to.
type builder struct {
	data      []byte         // input of the current decoder
	last      gopacket.Layer // layer found by it
	etherType uint16         // EtherType of data, once the network packet is found
	depth     int
	options   gopacket.DecodeOptions
}

var _ gopacket.PacketBuilder = (*builder)(nil)

// AddLayer stores a decoded layer. Some link types lead directly to the IP decoders.
func (b *builder) AddLayer(l gopacket.Layer) {
	if b.etherType != 0 {
		return
	}
	b.last = l
	b.etherType = etherTypeOf(l.LayerType())
}

// NextDecoder continues after the last header.
func (b *builder) NextDecoder(next gopacket.Decoder) error {
	if b.etherType != 0 || next == nil || b.last == nil || b.depth == maxLayers {
		return nil
	}
	b.depth++
	b.data = b.last.LayerPayload()
	b.last = nil
	if len(b.data) == 0 {
		return nil
	}
	if b.etherType = etherTypeOf(layerTypeOf(next)); b.etherType != 0 {
		return nil
	}
	return next.Decode(b.data, b)
}

// layerTypeOf returns the type of layer that a decoder decodes, if the decoder declares it.
func layerTypeOf(d gopacket.Decoder) gopacket.LayerType {
	switch d := d.(type) {
	case gopacket.LayerType:
		return d
	case interface{ LayerType() gopacket.LayerType }: // EthernetType, PPPType, ProtocolFamily, …
		return d.LayerType()
	}
	return gopacket.LayerTypeZero
}

func etherTypeOf(t gopacket.LayerType) uint16 {
	switch t {
	case layers.LayerTypeIPv4:
		return etherIPv4
	case layers.LayerTypeIPv6:
		return etherIPv6
	case layers.LayerTypeARP:
		return etherARP
	}
	return 0
}

// The other methods of gopacket.PacketBuilder are not needed here.

func (b *builder) SetTruncated()                                 {}
func (b *builder) SetLinkLayer(gopacket.LinkLayer)               {}
func (b *builder) SetNetworkLayer(gopacket.NetworkLayer)         {}
func (b *builder) SetTransportLayer(gopacket.TransportLayer)     {}
func (b *builder) SetApplicationLayer(gopacket.ApplicationLayer) {}
func (b *builder) SetErrorLayer(gopacket.ErrorLayer)             {}
func (b *builder) DumpPacketData()                               {}
func (b *builder) DecodeOptions() *gopacket.DecodeOptions        { return &b.options }

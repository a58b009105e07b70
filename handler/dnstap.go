package handler

import (
	"visor/decode"
	"visor/decode/dnstapmsg"
)

// tapDecoder decodes frames of [decode.LinkDNSTap].
type tapDecoder struct {
	// messages of the batch by packet index; nil until the first dnstap frame
	messages []dnstapmsg.Message
}

// decode fills p, the packet at index i of size in its batch, from its Frame. Addresses that the
// message lacks are invalid.
func (t *tapDecoder) decode(p *decode.Packet, i, size int) error {
	p.Layers, p.Inner, p.Payload, p.Cut, p.Proto, p.Flags, p.Dir = 0, nil, nil, 0, 0, 0, decode.Unknown
	if len(t.messages) < size {
		t.messages = make([]dnstapmsg.Message, size)
	}
	m := &t.messages[i]
	if err := dnstapmsg.Parse(p.Frame, m); err != nil {
		return err
	}
	p.Layers = decode.LayerDNSTap
	switch {
	case m.IPv4:
		p.Layers |= decode.LayerIPv4
	case m.IPv6:
		p.Layers |= decode.LayerIPv6
	}
	switch m.Protocol {
	case dnstapmsg.UDP:
		p.Layers |= decode.LayerUDP
	case dnstapmsg.TCP:
		p.Layers |= decode.LayerTCP
	}
	p.Src, p.Dst = m.Ends()
	p.Payload, p.DNSTapType, p.DNSTapVia = m.Wire(), uint8(m.Type), uint8(m.Protocol)
	p.Dir = decode.FromHost
	if m.Type.Served() == m.Type.Query() {
		p.Dir = decode.ToHost
	}
	return nil
}

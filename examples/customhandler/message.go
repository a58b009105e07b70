package main

import (
	"net/netip"
	"strconv"

	"visor/decode"
)

const unreachable = "destination unreachable"

// typeName returns the name of an ICMP message's type, or "" for another packet.
func typeName(p *decode.Packet) string {
	if len(p.Payload) == 0 {
		return ""
	}
	typ := p.Payload[0]
	switch {
	case p.Layers.Has(decode.LayerICMP):
		switch typ { // RFC 792
		case 0:
			return "echo reply"
		case 3:
			return unreachable
		case 5:
			return "redirect"
		case 8:
			return "echo request"
		case 11:
			return "time exceeded"
		}
	case p.Layers.Has(decode.LayerICMPv6):
		switch typ { // RFC 4443, RFC 4861
		case 1:
			return unreachable
		case 2:
			return "packet too big"
		case 3:
			return "time exceeded"
		case 128:
			return "echo request"
		case 129:
			return "echo reply"
		case 135:
			return "neighbor solicitation"
		case 136:
			return "neighbor advertisement"
		}
	default:
		return ""
	}
	return "type " + strconv.Itoa(int(typ))
}

func isEcho(name string) bool { return name == "echo request" || name == "echo reply" }

// quoted returns the destination of the packet that an ICMP error quotes, or an invalid address.
func quoted(p *decode.Packet) netip.Addr {
	const header = 8 // length of the error's header
	if len(p.Payload) < header {
		return netip.Addr{}
	}
	packet := p.Payload[header:]
	switch {
	case p.Layers.Has(decode.LayerICMP) && len(packet) >= 20:
		return netip.AddrFrom4([4]byte(packet[16:20]))
	case p.Layers.Has(decode.LayerICMPv6) && len(packet) >= 40:
		return netip.AddrFrom16([16]byte(packet[24:40]))
	}
	return netip.Addr{}
}

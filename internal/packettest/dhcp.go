package packettest

import (
	"encoding/binary"
	"net/netip"

	"visor/decode/dhcpmsg"
)

// DHCP returns a DHCP message for IPv4 of client 02:00:00:00:00:01, with its assigned address and
// with options. Each option is a code (uint8) and a value (string).
func DHCP(typ dhcpmsg.Type, xid uint32, addr string, options ...any) []byte {
	b := make([]byte, 240, 300)
	b[0], b[1], b[2] = 1, 1, 6
	binary.BigEndian.PutUint32(b[4:], xid)
	copy(b[16:], netip.MustParseAddr(addr).AsSlice())
	copy(b[28:], []byte{2, 0, 0, 0, 0, 1})
	binary.BigEndian.PutUint32(b[236:], 0x63825363)
	b = append(b, dhcpmsg.OptionType, 1, byte(typ))
	for i := 0; i < len(options); i += 2 {
		value := options[i+1].(string)
		b = append(append(b, options[i].(uint8), byte(len(value))), value...)
	}
	return append(b, 255)
}

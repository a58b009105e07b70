package decode_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode"
)

// FuzzPlain compares the short way for plain DNS with the general one: the same packet as raw IP.
func FuzzPlain(f *testing.F) {
	datagram := unhex("D431 0035 000C 0000 DEADBEEF")
	for _, seed := range [][]byte{
		ip4(17, datagram), ip4(6, datagram), ip4(17, datagram[:8]), ip4(17, datagram[:6]), ip4frag(17, 1, 0x2000, datagram),
		ip4(17, unhex("D431 12B5 000C 0000 DEADBEEF")), append(ip4(17, datagram), 0, 0, 0, 0), ip4(17, unhex("D431 0035 0000 0000 DEADBEEF")),
		ip4(17, unhex("D431 0035 FFFF 0000 DEADBEEF")), ip6(17, datagram),
	} {
		f.Add(seed, uint16(0))
		f.Add(seed, uint16(len(seed)-2)) // a total length that cuts, and one beyond the frame
		f.Add(seed, uint16(len(seed)+9))
	}
	f.Fuzz(func(t *testing.T, packet []byte, total uint16) {
		if total != 0 && len(packet) >= 4 {
			binary.BigEndian.PutUint16(packet[2:], total)
		}
		if len(packet) == 0 || packet[0]>>4 != 4 {
			return
		}
		frame := append(unhex("020000000001 020000000002 0800"), packet...)
		short := decode.Packet{Frame: frame, WireLen: uint32(len(frame)), Link: decode.LinkEthernet}
		general := decode.Packet{Frame: packet, WireLen: uint32(len(packet)), Link: decode.LinkRaw}
		require.Equal(t, decode.NewDecoder(decode.Config{}).Decode(&general), decode.NewDecoder(decode.Config{}).Decode(&short))
		general.Frame, general.WireLen, general.Link = short.Frame, short.WireLen, short.Link
		general.Layers |= decode.LayerEthernet
		require.Equal(t, general, short)
	})
}

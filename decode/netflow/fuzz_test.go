package netflow_test

import (
	"encoding/binary"
	"testing"
	"time"

	"visor/decode"
	"visor/decode/netflow"
	"visor/internal/packettest"
)

// FuzzDecode feeds a sequence of datagrams twice. Each has its length in front, in two bytes. The
// number of flows is bounded by the bytes of data, and the counters add up.
func FuzzDecode(f *testing.F) {
	add := func(datagrams ...[]byte) {
		var b []byte
		for _, d := range datagrams {
			b = append(binary.BigEndian.AppendUint16(b, uint16(len(d))), d...)
		}
		f.Add(b)
	}
	set, data := packettest.Set(2, common(256)...), packettest.Set(256, commonRecord()...)
	add(packettest.NetFlow5(10, 100, commonFlow, commonFlow))
	add(packettest.IPFIX(1, 0, set, data), packettest.IPFIX(1, 1, data))
	add(packettest.IPFIX(1, 0, data), packettest.IPFIX(1, 0, set))
	add(packettest.NetFlow9(1, 0, packettest.Set(0, common(256)...), data))
	add(packettest.IPFIX(1, 0, packettest.Set(2, template(300, field(82, 0xFFFF), field(2, 4))...), packettest.Set(300, uint8(3), []byte("abc"), uint32(2))))
	add(packettest.IPFIX(1, 0, options(400, field(143, 4), field(34, 4)), packettest.Set(400, uint32(1), uint32(512))))
	add(packettest.NetFlow9(1, 0, packettest.Set(1, uint16(500), uint16(4), uint16(8), uint16(1), uint16(2), uint16(48), uint16(1), uint16(34), uint16(4)), packettest.Set(500, uint64(0))))
	f.Fuzz(func(t *testing.T, b []byte) {
		const room = 1 << 14
		d := netflow.New(netflow.Config{MaxBytes: 8192, MaxHeld: room, HeldTTL: time.Hour})
		var e decode.FlowDatagram
		flows, datagrams := uint64(0), uint64(0)
		for round := range 2 {
			for at := 0; at+2 <= len(b); datagrams++ {
				n := min(int(binary.BigEndian.Uint16(b[at:])), len(b)-at-2)
				d.Decode(int64(round), router, b[at+2:at+2+n], &e)
				if most := min(n+room, 4096); len(e.Flows) > most {
					t.Fatalf("%d flows in %d bytes", len(e.Flows), n)
				}
				flows += uint64(len(e.Flows))
				at += 2 + n
			}
		}
		if st := d.Stats(); st.Flows != flows || st.Datagrams != datagrams || st.Malformed > datagrams || st.LostSets > st.HeldSets {
			t.Fatalf("%d flows, %d datagrams, but %+v", flows, datagrams, st)
		}
	})
}

package main

import (
	"encoding/binary"

	"visor/capture"
	"visor/decode"
)

// PingsConfig configures the input "pings". The tags declare the keys of its taps.
type PingsConfig struct {
	Count int `policy:"count" range:"1-1000000" help:"echo requests to make"`
}

// pings returns a source of echo requests to ten hosts, one a millisecond. A router reports the
// last host as unreachable.
func pings(cfg PingsConfig) capture.Source {
	var frames []capture.Frame
	for i := range max(cfg.Count, 1) {
		target := [4]byte{192, 0, 2, byte(i % 10)}
		request := ipv4([4]byte{198, 51, 100, 1}, target, []byte{8, 0, 0, 0, 0, 1, byte(i >> 8), byte(i)})
		frames = append(frames, frame(i, request))
		if target[3] == 9 {
			report := append([]byte{3, 1, 0, 0, 0, 0, 0, 0}, request...)
			frames = append(frames, frame(i, ipv4([4]byte{203, 0, 113, 1}, [4]byte{198, 51, 100, 1}, report)))
		}
	}
	return capture.NewMemory(frames)
}

// ipv4 returns an IPv4 packet with an ICMP message.
func ipv4(src, dst [4]byte, message []byte) []byte {
	b := make([]byte, 20, 20+len(message))
	b[0], b[8], b[9] = 0x45, 64, 1
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(message)))
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	return append(b, message...)
}

// frame returns a packet as a frame of link type RAW, captured ms milliseconds after the start.
func frame(ms int, packet []byte) capture.Frame {
	const start = 1_780_000_000_000_000_000 // ns since 1970
	return capture.Frame{TimeNS: start + int64(ms)*1e6, Data: packet, WireLen: uint32(len(packet)), Link: decode.LinkRaw}
}

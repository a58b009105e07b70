// Package gopkt connects visor to github.com/google/gopacket. It turns any
// gopacket.ZeroCopyPacketDataSource into a capture.Source: a libpcap or PF_RING handle, a gopacket
// afpacket ring, a pcapgo reader.
//
//	handle, err := pcap.OpenLive("eth0", 65535, true, 10*time.Millisecond)
//	…
//	src, err := gopkt.NewLive(handle, gopkt.Config{Batch: capture.BatchSize})
//
// [NewRecording] does the same for handles of files: gopacket's types do not show the difference.
// [Fallback] finds the network packet of a frame by the decoders of gopacket/layers, for programs
// that add link types to them.
//
// gopacket is slower than visor's sources and decoders, by a few hundred nanoseconds per packet.
// Its decoders panic on some damaged packets, which this package recovers. A program that does not
// import this package does not link gopacket.
package gopkt

// Package gopkt joins visor and github.com/google/gopacket. Any gopacket.ZeroCopyPacketDataSource
// (a libpcap or PF_RING handle, a gopacket afpacket ring, a pcapgo reader) becomes a
// capture.Source:
//
//	handle, err := pcap.OpenLive("eth0", 65535, true, 10*time.Millisecond)
//	…
//	src, err := gopkt.New(handle, gopkt.Config{Batch: capture.BatchSize})
//
// and [Fallback] finds the network packet in frames of link types that visor's own decoder does not
// know, by the decoders of gopacket/layers.
//
// gopacket is slower than visor's own sources and decoders, a few hundred nanoseconds a packet, and
// its decoders panic on some damaged packets: they are only run where a panic is caught. A program
// that does not import this package does not link gopacket.
package gopkt

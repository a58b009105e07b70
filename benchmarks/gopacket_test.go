package benchmarks

import (
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/stretchr/testify/require"

	"visor/capture"
)

// gopacketDecoder uses gopacket's fastest way of decoding: into reused layers.
type gopacketDecoder struct {
	eth    layers.Ethernet
	vlan   layers.Dot1Q
	ip4    layers.IPv4
	ip6    layers.IPv6
	udp    layers.UDP
	tcp    layers.TCP
	icmp4  layers.ICMPv4
	icmp6  layers.ICMPv6
	dns    layers.DNS
	parser *gopacket.DecodingLayerParser
	found  []gopacket.LayerType
}

func newGopacketDecoder() *gopacketDecoder {
	d := &gopacketDecoder{}
	d.parser = gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet,
		&d.eth, &d.vlan, &d.ip4, &d.ip6, &d.udp, &d.tcp, &d.icmp4, &d.icmp6, &d.dns)
	d.parser.IgnoreUnsupported = true
	return d
}

// decode returns the number of DNS messages over UDP in the frames.
func (d *gopacketDecoder) decode(frames []capture.Frame) (messages uint64, err error) {
	for i := range frames {
		if err := d.parser.DecodeLayers(frames[i].Data, &d.found); err != nil {
			return messages, err
		}
		if n := len(d.found); n > 0 && d.found[n-1] == layers.LayerTypeDNS {
			messages++
		}
	}
	return messages, nil
}

// BenchmarkGopacketDecode is the yardstick: visor aims to analyse a packet in the time that
// gopacket takes to decode it. Mixed traffic is left out, because gopacket takes each TCP segment
// on port 53 for a DNS message. The benchmark would measure error handling.
func BenchmarkGopacketDecode(b *testing.B) {
	frames, truth := varied()
	d := newGopacketDecoder()
	var messages uint64
	var err error
	perPacket(b, len(frames), func() { messages, err = d.decode(frames) })
	require.NoError(b, err)
	require.Equal(b, truth.DNSQueries+truth.DNSResponses, messages)
}

// Command peer has the parts of benchmarks/peers.sh that no other program has:
//
//	peer gopacket FILE     decodes a capture with gopacket, and prints the number of DNS messages
//	peer visor FILE        analyses a capture with the metrics that pktvisor has by default
//	peer flows ADDRESS N   sends N datagrams of NetFlow version 5 with 30 flows each
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"visor/capture"
	"visor/capture/pcapfile"
	"visor/decode"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/network"
	"visor/internal/packettest"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "gopacket":
		n, err := decodeFile(args[1])
		fmt.Println(n, "DNS messages")
		return err
	case len(args) == 2 && args[0] == "visor":
		n, err := analyse(args[1])
		fmt.Println(n, "DNS messages")
		return err
	case len(args) == 3 && args[0] == "flows":
		n, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		return send(args[1], n)
	}
	return errors.New("usage: peer gopacket FILE | peer visor FILE | peer flows ADDRESS N")
}

// decodeFile uses gopacket's fastest way: buffers and layers are reused.
func decodeFile(path string) (messages int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		return 0, err
	}
	var eth layers.Ethernet
	var ip4 layers.IPv4
	var ip6 layers.IPv6
	var udp layers.UDP
	var dns layers.DNS
	var found []gopacket.LayerType
	parser := gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &eth, &ip4, &ip6, &udp, &dns)
	parser.IgnoreUnsupported = true
	for {
		data, _, err := r.ZeroCopyReadPacketData()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return messages, err
		}
		if err := parser.DecodeLayers(data, &found); err != nil {
			return messages, err
		}
		if len(found) > 0 && found[len(found)-1] == layers.LayerTypeDNS {
			messages++
		}
	}
}

// analyse runs the analyzers of packets and DNS over a capture.
func analyse(path string) (messages uint64, err error) {
	src, err := pcapfile.Open(path)
	if err != nil {
		return 0, err
	}
	settings := handler.Settings{PktvisorGroups: true, Periods: 1}
	packets, err := network.New(network.Config{Settings: settings})
	if err != nil {
		return 0, err
	}
	names, err := dns.New(dns.Config{Settings: settings})
	if err != nil {
		return 0, err
	}
	own, err := decode.ParseNetSet("192.0.2.0/24,2001:db8:53::/48")
	if err != nil {
		return 0, err
	}
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{src}, Handlers: []handler.Handler{packets, names}, Hosts: own})
	if err != nil {
		return 0, err
	}
	if err := p.Run(context.Background()); err != nil {
		return 0, err
	}
	snap, err := p.Bucket(0)
	if err != nil {
		return 0, err
	}
	m := dns.From(snap)
	return m.Queries.Value() + m.Replies.Value(), nil
}

const perDatagram = 30

// send sends datagrams with pauses, so that a collector keeps up.
func send(address string, n int) error {
	conn, err := net.Dial("udp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	flows := make([]decode.Flow, perDatagram)
	for i := range n {
		for k := range flows {
			id := uint32(i*perDatagram + k)
			client := netip.AddrFrom4([4]byte{198, 51, byte(id >> 8), byte(id)})
			flows[k] = decode.Flow{
				Src: client, Dst: netip.AddrFrom4([4]byte{192, 0, 2, byte(id % 7)}), Bytes: 1500, Packets: 3, Input: 7, Output: 9,
				SrcPort: uint16(1024 + id%50000), DstPort: 443, Proto: 6,
			}
		}
		if _, err := conn.Write(packettest.NetFlow5(uint32(i*perDatagram), 0, flows...)); err != nil {
			return err
		}
		if i%32 == 31 {
			time.Sleep(5 * time.Millisecond)
		}
	}
	return nil
}

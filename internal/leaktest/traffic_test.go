package leaktest

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"visor/capture"
	"visor/decode"
	"visor/decode/dhcpmsg"
	"visor/decode/dnstapmsg"
	"visor/internal/packettest"
)

// The hosts whose addresses must not be written. Of each network several have the same fate.
var (
	clients  = append(hosts("203.0.113.%d", 71, 76), hosts("2001:db8:77:8:1:2:3:%x", 0xa1, 0xa6)...)
	servers  = append(hosts("198.51.100.%d", 53, 55), hosts("2001:db8:53:1:5:6:7:%x", 0xb1, 0xb3)...)
	subnets  = append(hosts("192.0.2.%d", 191, 193), hosts("2001:db8:ec5:9:8:7:6:%x", 0xc1, 0xc3)...)
	leased   = hosts("10.77.66.%d", 151, 153)
	secret   = slices.Concat(clients, servers, subnets, leased)
	own      = "198.51.100.0/24, 2001:db8:53::/48"
	exporter = "172.16.9.9"
)

func hosts(pattern string, from, to int) (out []netip.Addr) {
	for n := from; n < to; n++ {
		out = append(out, netip.MustParseAddr(fmt.Sprintf(pattern, n)))
	}
	return out
}

// reverse returns the name for an address.
func reverse(addr netip.Addr) string {
	var labels []string
	if addr.Is4() {
		for _, b := range addr.As4() {
			labels = append(labels, fmt.Sprint(b))
		}
	} else {
		for _, digit := range strings.ReplaceAll(addr.StringExpanded(), ":", "") {
			labels = append(labels, string(digit))
		}
	}
	slices.Reverse(labels)
	if addr.Is4() {
		return strings.Join(labels, ".") + ".in-addr.arpa"
	}
	return strings.Join(labels, ".") + ".ip6.arpa"
}

// exchange is a query of a client with its reply, or nil for none.
type exchange struct {
	client, server netip.Addr
	at, took       time.Duration
	query, reply   []byte
}

const ptr = 12

// exchanges returns three minutes of queries for names of addresses and for random names.
func exchanges() (out []exchange) {
	id := uint16(0)
	add := func(i int, at, took time.Duration, query, reply []byte) {
		id++
		binary.BigEndian.PutUint16(query, id)
		if reply != nil {
			binary.BigEndian.PutUint16(reply, id)
		}
		client := clients[i%len(clients)]
		server := servers[i%2]
		if client.Is6() {
			server = servers[2+i%2]
		}
		out = append(out, exchange{client, server, at, took, query, reply})
	}
	for minute := range 3 {
		for i := range 20 * len(clients) {
			at := time.Duration(minute)*time.Minute + time.Duration(i)*20*time.Millisecond
			name := reverse(secret[i%len(secret)])
			q := packettest.Query(0, name, ptr)
			add(i, at, time.Millisecond, q, packettest.Reply(q, byte(3*(i%2)), 1-i%2))
			q = packettest.Query(0, strings.ToUpper(name), ptr) // slow, and in another case
			add(i, at+time.Millisecond, time.Second, q, packettest.Reply(q, byte(2+3*(i%2)), 0))
			subnet := subnets[i%len(subnets)]
			add(i, at+2*time.Millisecond, 0, packettest.Query(0, name, ptr, packettest.ECS(netip.PrefixFrom(subnet, subnet.BitLen()).String())), nil)
			failed := packettest.Query(0, name, ptr, []byte{0, 15, 0, 2, 0, 6}) // an extended error
			failed[2] |= 0x80
			failed[3] |= 2
			add(i, at+3*time.Millisecond, time.Millisecond, packettest.Query(0, name, ptr), failed)
			q = packettest.Query(0, fmt.Sprintf("x%d-%d.victim.example", minute, i), 1)
			add(i, at+4*time.Millisecond, time.Millisecond, q, packettest.Reply(q, 3, 0))
		}
	}
	return out
}

// sorted returns frames in the order of time, and one more, which closes the third minute.
func sorted(frames []capture.Frame, last capture.Frame) []capture.Frame {
	slices.SortStableFunc(frames, func(a, b capture.Frame) int { return int(a.TimeNS - b.TimeNS) })
	return append(frames, last)
}

// packets returns the exchanges as packets, and packets for the other handlers.
func packets() (frames []capture.Frame) {
	for _, x := range exchanges() {
		client, server := netip.AddrPortFrom(x.client, 5000).String(), netip.AddrPortFrom(x.server, 53).String()
		frames = append(frames, packettest.UDP(x.at, client, server, x.query))
		if x.reply != nil {
			frames = append(frames, packettest.UDP(x.at+x.took, server, client, x.reply))
		}
	}
	for i, addr := range leased {
		at := time.Duration(i) * time.Second
		frames = append(frames,
			packettest.UDP(at, "0.0.0.0:68", "255.255.255.255:67", packettest.DHCP(dhcpmsg.Request, uint32(i), "0.0.0.0", uint8(dhcpmsg.OptionHostName), "janes-phone")),
			packettest.UDP(at+1, "10.77.66.151:67", "255.255.255.255:68", packettest.DHCP(dhcpmsg.Ack, uint32(i), addr.String())),
			packettest.UDP(at+2, "10.77.66.151:67", "255.255.255.255:68", packettest.DHCP(dhcpmsg.Offer, uint32(i), addr.String(), uint8(dhcpmsg.OptionServerID), string(addr.AsSlice()))))
	}
	for i, c := range clients[:5] { // a scan
		for port := range uint16(300) {
			at := time.Duration(port)*100*time.Millisecond + time.Duration(i)
			frames = append(frames, packettest.TCP(at, netip.AddrPortFrom(c, 40000).String(), netip.AddrPortFrom(servers[0], port+1000).String(), decode.FlagSYN, 1, 0, nil))
		}
	}
	return sorted(frames, packettest.UDP(3*time.Minute, "203.0.113.71:9", "198.51.100.53:9", nil))
}

// taps returns the exchanges as dnstap messages. Some name a rule of a response policy zone.
func taps() (frames []capture.Frame) {
	start := packettest.UDP(0, "192.0.2.1:9", "192.0.2.1:9", nil).TimeNS
	for i, x := range exchanges() {
		m := dnstapmsg.Message{
			Type: dnstapmsg.ClientQuery, IPv4: x.client.Is4(), IPv6: x.client.Is6(), Protocol: dnstapmsg.UDP,
			QueryAddr: x.client.AsSlice(), ResponseAddr: x.server.AsSlice(), QueryPort: 5000, ResponsePort: 53,
			Query: x.query, QueryTime: start + int64(x.at),
		}
		frames = append(frames, tap(&m))
		if x.reply == nil {
			continue
		}
		m.Type, m.Response, m.ResponseTime = dnstapmsg.ClientResponse, x.reply, m.QueryTime+int64(x.took)
		rule := wire("32." + strings.TrimSuffix(reverse(clients[0]), ".in-addr.arpa") + ".rpz-client-ip.rpz.example")
		p := dnstapmsg.Policy{Type: []byte("RPZ"), Rule: rule, Action: dnstapmsg.ActionDrop, Match: dnstapmsg.MatchClientIP}
		if i%2 == 0 {
			p.Rule, p.Match = wire(reverse(clients[i%len(clients)])+".rpz.example"), dnstapmsg.MatchQName
		}
		m.Policy = p.AppendTo(nil)
		frames = append(frames, tap(&m))
	}
	last := dnstapmsg.Message{Type: dnstapmsg.ToolQuery, QueryTime: start + int64(3*time.Minute), Query: packettest.Query(1, "end.example", 1)}
	return sorted(frames, tap(&last))
}

func wire(name string) (out []byte) {
	for label := range strings.SplitSeq(name, ".") {
		out = append(append(out, byte(len(label))), label...)
	}
	return append(out, 0)
}

func tap(m *dnstapmsg.Message) capture.Frame {
	b := m.AppendTo(nil)
	return capture.Frame{TimeNS: m.TimeNS(), Data: b, WireLen: uint32(len(b)), Link: decode.LinkDNSTap}
}

// flows returns exports of NetFlow and sFlow about the clients and the servers.
func flows() (frames []capture.Frame) {
	sequence := uint32(0)
	for minute := range 3 {
		for i, c := range clients {
			at := time.Duration(minute)*time.Minute + time.Duration(i)*time.Second
			if c.Is4() {
				f := decode.Flow{Src: c, Dst: servers[i%2], SrcPort: 5000, DstPort: 443, Proto: 6, Bytes: 1000, Packets: 2, Input: 1, Output: 2}
				back := f
				back.Src, back.Dst, back.SrcPort, back.DstPort = f.Dst, f.Src, 443, 5000
				frames = append(frames, packettest.UDP(at, exporter+":50000", "172.16.9.1:2055", packettest.NetFlow5(sequence, 0, f, back)))
				sequence += 2
			}
			server := netip.AddrPortFrom(servers[i%2], 53)
			if c.Is6() {
				server = netip.AddrPortFrom(servers[2+i%2], 53)
			}
			header := packettest.UDP(0, netip.AddrPortFrom(c, 5000).String(), server.String(), []byte("0123456789")).Data
			sample := packettest.Sample(1, 1, 2, packettest.RawHeader(uint32(len(header)), header))
			frames = append(frames, packettest.UDP(at, exporter+":50001", "172.16.9.1:6343", packettest.SFlow(exporter, uint32(len(frames)), sample)))
		}
	}
	return sorted(frames, packettest.UDP(3*time.Minute, exporter+":50001", "172.16.9.1:6343", packettest.SFlow(exporter, 9999)))
}

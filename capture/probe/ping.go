package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"visor/decode/probemsg"
)

// socket sends echo requests of one family and receives their replies.
type socket struct {
	conn     *icmp.PacketConn
	raw      bool // a raw socket also receives ICMP messages for other programs
	request  icmp.Type
	reply    icmp.Type
	protocol int
}

func (k *socket) close() {
	if k != nil {
		k.conn.Close()
	}
}

// openSockets opens a socket for each family that the targets may need. It returns an error if it
// cannot open any.
func (s *Source) openSockets() error {
	var need4, need6 bool
	for _, t := range s.cfg.Targets {
		addr, err := netip.ParseAddr(t.Host)
		need4 = need4 || t.Version == 4 || err == nil && addr.Is4() || err != nil && t.Version == 0
		need6 = need6 || t.Version == 6 || err == nil && addr.Is6() || err != nil && t.Version == 0
	}
	var err4, err6 error
	if need4 {
		s.v4, err4 = s.open("udp4", "ip4:icmp", "0.0.0.0")
	}
	if need6 {
		s.v6, err6 = s.open("udp6", "ip6:ipv6-icmp", "::")
	}
	if s.v4 == nil && s.v6 == nil {
		return fmt.Errorf("unable to create receiver socket: %w", errors.Join(err4, err6))
	}
	return nil
}

// open opens an unprivileged socket, or a raw socket if that fails.
func (s *Source) open(plain, raw, address string) (*socket, error) {
	k := &socket{request: ipv4.ICMPTypeEcho, reply: ipv4.ICMPTypeEchoReply, protocol: 1}
	if plain == "udp6" {
		k.request, k.reply, k.protocol = ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply, 58
	}
	conn, err := icmp.ListenPacket(plain, address)
	if err != nil {
		var errRaw error
		k.raw = true
		if conn, errRaw = icmp.ListenPacket(raw, address); errRaw != nil {
			return nil, fmt.Errorf("ICMP: neither an unprivileged socket (%w; see the sysctl net.ipv4.ping_group_range) nor a raw one (%w; it needs root or the capability CAP_NET_RAW)", err, errRaw)
		}
	}
	k.conn = conn
	s.wg.Go(func() { s.receive(k) })
	return k, nil
}

// pingKey returns the key of a packet, which its reply repeats.
func pingKey(target int, seq uint16) uint64 { return uint64(target)<<16 | uint64(seq) }

// ping sends the packets of the n-th test of a target.
func (s *Source) ping(ctx context.Context, target int, n uint32) {
	t := &s.cfg.Targets[target]
	first := n * uint32(s.cfg.Packets)
	addr, ok := s.resolve(ctx, t, pingKey(target, uint16(first)))
	if !ok {
		return
	}
	pause := time.NewTicker(s.cfg.PacketInterval)
	defer pause.Stop()
	for i := range uint32(s.cfg.Packets) {
		if i > 0 && !s.wait(pause.C) {
			return
		}
		s.send(target, addr, uint16(first+i))
	}
}

// send sends one echo request.
func (s *Source) send(target int, addr netip.Addr, seq uint16) {
	t, key, k := &s.cfg.Targets[target], pingKey(target, seq), s.v4
	if addr.Is6() {
		k = s.v6
	}
	if k == nil {
		s.tell(s.now(), probemsg.BadAddress, key, t.Name)
		return
	}
	data := make([]byte, s.cfg.Payload)
	binary.BigEndian.PutUint32(data, s.cookie)
	binary.BigEndian.PutUint32(data[4:], uint32(target))
	m := icmp.Message{Type: k.request, Body: &icmp.Echo{ID: int(s.cookie & 0xFFFF), Seq: int(seq), Data: data}}
	b, err := m.Marshal(nil) // the kernel computes the checksum for IPv6
	if err != nil || !s.tell(s.now(), probemsg.Sent, key, t.Name) {
		return
	}
	if _, err := k.conn.WriteTo(b, k.address(addr)); err != nil {
		s.tell(s.now(), probemsg.SocketFailed, key, t.Name)
	}
}

func (k *socket) address(addr netip.Addr) net.Addr {
	if k.raw {
		return &net.IPAddr{IP: addr.AsSlice(), Zone: addr.Zone()}
	}
	return &net.UDPAddr{IP: addr.AsSlice(), Zone: addr.Zone()}
}

// receive reads replies until the socket is closed. Raw sockets also receive replies to other
// programs, and on loopback the requests.
func (s *Source) receive(k *socket) {
	buf := make([]byte, 1<<16)
	for {
		n, _, err := k.conn.ReadFrom(buf)
		now := s.now()
		if err != nil {
			// closed, or an ICMP error caused by an earlier request
			if !s.wait(time.After(10 * time.Millisecond)) {
				return
			}
			continue
		}
		if target, seq, ok := s.parse(k, buf[:n]); ok && !s.tell(now, probemsg.Received, pingKey(target, seq), s.cfg.Targets[target].Name) {
			return
		}
	}
}

// parse returns the target and the sequence number of a reply b.
func (s *Source) parse(k *socket, b []byte) (target int, seq uint16, ok bool) {
	m, err := icmp.ParseMessage(k.protocol, b)
	if err != nil || m.Type != k.reply {
		return 0, 0, false
	}
	echo, ok := m.Body.(*icmp.Echo)
	if !ok || len(echo.Data) < minPayload || binary.BigEndian.Uint32(echo.Data) != s.cookie {
		return 0, 0, false
	}
	target = int(binary.BigEndian.Uint32(echo.Data[4:]))
	return target, uint16(echo.Seq), target < len(s.cfg.Targets)
}

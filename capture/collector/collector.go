// Package collector receives what flow exporters send over UDP: NetFlow, IPFIX and sFlow.
//
//	src, err := collector.Listen(collector.Config{Address: ":2055"})
//	...
//	p, err := handler.NewPipeline(handler.Config{
//		Sources: []capture.Source{src}, Handlers: []handler.Handler{flows},
//	})
//
// A socket delivers datagrams without their headers. The source adds an IP and a UDP header, so
// that its frames are packets as in a capture file. A consumer can read both in the same way.
//
// Each datagram costs one system call, about 1 µs. On Linux, datagrams dropped because the kernel's
// buffer is full are counted.
package collector

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"visor/capture"
	"visor/decode"
)

// Config configures a Source. Address must be set.
type Config struct {
	Address string // local host:port; without a host, all addresses
	// size of the kernel's receive buffer, bytes; 0 means 8 MiB. The kernel may grant less: on
	// Linux see net.core.rmem_max
	Buffer int
}

const defaultBuffer = 8 << 20

// Source yields the datagrams that a UDP port receives. It is owned by one goroutine; Close, Drops
// and Addr may be called from any.
type Source struct {
	conn  *net.UDPConn
	local netip.AddrPort
	buf   []byte // headers, then a datagram
	oob   []byte // control messages that came with a datagram
	drops atomic.Uint64
	shut  atomic.Bool
}

var (
	_ capture.Source      = (*Source)(nil)
	_ capture.LiveSource  = (*Source)(nil)
	_ capture.DropCounter = (*Source)(nil)
)

const (
	ipv4Len, ipv6Len, udpLen = 20, 40, 8

	headroom    = ipv6Len + udpLen
	maxDatagram = 0xFFFF - ipv4Len - udpLen
)

// Listen opens the port.
func Listen(cfg Config) (*Source, error) {
	addr, err := net.ResolveUDPAddr("udp", cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("collector: address %q: %w", cfg.Address, err)
	}
	conn, err := net.ListenUDP("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("collector: %w", err)
	}
	if err := errors.Join(conn.SetReadBuffer(cmp.Or(cfg.Buffer, defaultBuffer)), countDrops(conn)); err != nil {
		conn.Close()
		return nil, fmt.Errorf("collector: %s: %w", cfg.Address, err)
	}
	return &Source{
		conn: conn, local: conn.LocalAddr().(*net.UDPAddr).AddrPort(),
		buf: make([]byte, headroom+maxDatagram), oob: make([]byte, 64),
	}, nil
}

// Addr returns the local address.
func (s *Source) Addr() netip.AddrPort { return s.local }

// Live returns true.
func (s *Source) Live() bool { return true }

// Drops returns the number of datagrams dropped by the kernel.
func (s *Source) Drops() uint64 { return s.drops.Load() }

// ReadBatch waits for a datagram and returns it as a packet.
func (s *Source) ReadBatch(b *capture.Batch) error {
	b.Reset()
	n, oobn, _, from, err := s.conn.ReadMsgUDPAddrPort(s.buf[headroom:], s.oob)
	switch {
	case s.shut.Load():
		return capture.ErrClosed
	case err != nil:
		return fmt.Errorf("collector: %w", err)
	}
	if total, ok := dropsIn(s.oob[:oobn]); ok {
		s.lost(total)
	}
	data := s.packet(from, n)
	b.Frames = append(b.Frames, capture.Frame{TimeNS: time.Now().UnixNano(), Data: data, WireLen: uint32(len(data)), Link: decode.LinkRaw})
	return nil
}

// lost sets the number of drops from the kernel's, which has 32 bits and wraps around.
func (s *Source) lost(total uint32) { s.drops.Add(uint64(total - uint32(s.drops.Load()))) }

// packet puts headers in front of the n bytes of a datagram.
func (s *Source) packet(from netip.AddrPort, n int) []byte {
	src, dst := from.Addr().Unmap().WithZone(""), s.local.Addr().Unmap().WithZone("")
	end := headroom + n
	udp := s.buf[headroom-udpLen : end : end]
	binary.BigEndian.PutUint16(udp, from.Port())
	binary.BigEndian.PutUint16(udp[2:], s.local.Port())
	binary.BigEndian.PutUint16(udp[4:], uint16(udpLen+n))
	binary.BigEndian.PutUint16(udp[6:], 0) // the kernel has verified the checksum
	if src.Is4() {
		return ipv4(s.buf[headroom-udpLen-ipv4Len:end:end], src, dst)
	}
	return ipv6(s.buf[:end:end], src, dst)
}

const protoUDP = 17

// ipv4 writes the header of a packet (RFC 791 section 3.1).
func ipv4(b []byte, src, dst netip.Addr) []byte {
	clear(b[:ipv4Len])
	b[0], b[8], b[9] = 0x45, 1, protoUDP
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	from := src.As4()
	copy(b[12:], from[:])
	if dst.Is4() {
		to := dst.As4()
		copy(b[16:], to[:])
	}
	return b
}

// ipv6 writes the header of a packet (RFC 8200 section 3).
func ipv6(b []byte, src, dst netip.Addr) []byte {
	clear(b[:ipv6Len])
	b[0], b[6], b[7] = 0x60, protoUDP, 1
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)-ipv6Len))
	from, to := src.As16(), dst.As16()
	copy(b[8:], from[:])
	copy(b[24:], to[:])
	return b
}

// Close closes the port. A waiting ReadBatch returns.
func (s *Source) Close() error {
	if s.shut.Swap(true) {
		return nil
	}
	return s.conn.Close()
}

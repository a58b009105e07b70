package afpacket

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"visor/capture"
	"visor/decode"
)

// Offsets in a block and in its packets (linux/if_packet.h).
const (
	blockStatus  = 8
	blockPackets = 12
	blockFirst   = 16

	packetNext    = 0
	packetSec     = 4
	packetNsec    = 8
	packetSnaplen = 12
	packetLen     = 16
	packetStatus  = 20
	packetMAC     = 24 // offset of the link header
	packetTCI     = 32 // VLAN tag that the network card removed
	packetTPID    = 36
	packetHeader  = 48

	// field of the address after the header: host, broadcast, multicast, other host or outgoing
	addrType = packetHeader + 10
)

// queue is a Source: one socket and its ring.
type queue struct {
	file    *os.File
	conn    syscall.RawConn
	ready   func(fd uintptr) bool // canReturn, as one value: each method value allocates
	iface   *net.Interface
	link    decode.LinkType
	ring    []byte
	block   int  // offset of the current block, or of the next one if none is held
	held    bool // the current block belongs to the process
	left    int  // packets of the block that were not returned yet
	next    int  // offset of the next packet
	twice   bool // loopback, where each packet appears as sent and as received
	byType  bool // packet types decide the direction in this batch
	err     error
	closed  atomic.Bool
	gone    atomic.Bool // the interface was deleted
	mu      sync.Mutex  // guards counted
	counted Stats

	locality *locality
	ended    func()
}

var (
	_ capture.Source      = (*queue)(nil)
	_ capture.LiveSource  = (*queue)(nil)
	_ capture.DropCounter = (*queue)(nil)
	_ capture.Owner       = (*queue)(nil)
)

func openQueue(cfg *Config, on *target, group *fanout) (*queue, error) {
	file, ring, err := openSocket(cfg, on, group)
	if err != nil {
		return nil, err
	}
	q := &queue{file: file, iface: on.iface, link: on.link, ring: ring, twice: on.iface.Flags&net.FlagLoopback != 0}
	q.ready = q.canReturn
	if q.conn, err = file.SyscallConn(); err != nil {
		file.Close()
		_ = unix.Munmap(ring)
		return nil, err
	}
	runtime.AddCleanup(q, func(ring []byte) { _ = unix.Munmap(ring) }, ring)
	return q, nil
}

// ReadBatch replaces the contents of b with the next frames of a block, and waits for a block.
// Frames borrow from the ring until the next ReadBatch. ReadBatch waits while the interface is
// down. It returns [capture.ErrClosed] after Close, and an error if the interface was deleted.
func (q *queue) ReadBatch(b *capture.Batch) error {
	b.Reset()
	for len(b.Frames) == 0 {
		if q.left == 0 {
			q.release()
			if err := q.wait(); err != nil {
				return err
			}
		}
		q.byType = q.locality.ends.Load()
		for q.left > 0 && len(b.Frames) < capture.BatchSize {
			q.take(b)
		}
	}
	return nil
}

// Live returns true.
func (q *queue) Live() bool { return true }

// release returns the block to the kernel.
func (q *queue) release() {
	if !q.held {
		return
	}
	q.status().Store(unix.TP_STATUS_KERNEL)
	q.held = false
	q.block = (q.block + blockSize) % len(q.ring)
}

// status returns the word with which the kernel and the process pass a block to each other.
func (q *queue) status() *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Pointer(&q.ring[q.block+blockStatus]))
}

// wait waits until the next block belongs to the process.
func (q *queue) wait() error {
	if q.err != nil {
		return q.err
	}
	err := q.conn.Read(q.ready)
	switch {
	case q.closed.Load():
		return capture.ErrClosed
	case q.status().Load()&unix.TP_STATUS_USER != 0: // also if the interface was deleted
	case q.gone.Load():
		return q.isGone(unix.ENODEV)
	case q.err != nil:
		return q.err
	case err != nil:
		return fmt.Errorf("afpacket: %s: %w", q.iface.Name, err)
	}
	q.held = true
	b := q.ring[q.block : q.block+blockSize]
	q.left = int(u32(b[blockPackets:]))
	q.next = q.block + int(u32(b[blockFirst:]))
	return nil
}

// canReturn reports whether wait can return. It clears a pending error of the socket. The socket
// has one when the interface goes down, and works again when the interface is up.
func (q *queue) canReturn(fd uintptr) bool {
	if q.closed.Load() || q.status().Load()&unix.TP_STATUS_USER != 0 {
		return true
	}
	errno, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
	switch {
	case err != nil || errno == 0:
	case errno != int(unix.ENETDOWN):
		q.err = fmt.Errorf("afpacket: %s: %w", q.iface.Name, unix.Errno(errno))
	default:
		if _, err := net.InterfaceByIndex(q.iface.Index); err != nil {
			q.err = q.isGone(err)
		}
	}
	return q.err != nil
}

func (q *queue) isGone(err error) error {
	return fmt.Errorf("afpacket: interface %s is gone: %w", q.iface.Name, err)
}

// vanish makes a waiting ReadBatch return because the interface was deleted.
func (q *queue) vanish() {
	q.gone.Store(true)
	_ = q.file.SetReadDeadline(time.Now()) // fails on a closed file, which has no waiting ReadBatch
}

// take appends the next packet of the block to b.
func (q *queue) take(b *capture.Batch) {
	p := q.ring[q.next : q.block+blockSize]
	q.left--
	q.next += int(u32(p[packetNext:]))
	if q.twice && p[addrType] == unix.PACKET_OUTGOING {
		return
	}
	at, n := int(u16(p[packetMAC:])), int(u32(p[packetSnaplen:]))
	wire := u32(p[packetLen:])
	if u32(p[packetStatus:])&unix.TP_STATUS_VLAN_VALID != 0 && q.link == decode.LinkEthernet && n >= 12 {
		at, n, wire = q.restoreTag(p, at), n+4, wire+4
	}
	b.Frames = append(b.Frames, capture.Frame{
		TimeNS:  int64(u32(p[packetSec:]))*1e9 + int64(u32(p[packetNsec:])),
		Data:    p[at : at+n : at+n],
		WireLen: wire,
		Link:    q.link,
		Dir:     q.direction(p[addrType]),
	})
}

// direction returns the direction of a packet by its type. Packets to other hosts, multicast and
// broadcast are Unknown, so that their addresses decide.
func (q *queue) direction(packetType byte) decode.Direction {
	switch {
	case !q.byType:
		return decode.Unknown
	case packetType == unix.PACKET_HOST:
		return decode.ToHost
	case packetType == unix.PACKET_OUTGOING:
		return decode.FromHost
	}
	return decode.Unknown
}

// Own returns the current addresses of this host.
func (q *queue) Own() *decode.NetSet { return q.locality.own.Load() }

// restoreTag inserts the VLAN tag that the network card removed from the packet at offset at. It
// returns the new offset of the packet.
func (q *queue) restoreTag(p []byte, at int) int {
	tpid := u16(p[packetTPID:])
	if u32(p[packetStatus:])&unix.TP_STATUS_VLAN_TPID_VALID == 0 {
		tpid = unix.ETH_P_8021Q
	}
	at -= reserve
	copy(p[at:], p[at+reserve:at+reserve+12]) // the two addresses
	binary.BigEndian.PutUint16(p[at+12:], tpid)
	binary.BigEndian.PutUint16(p[at+14:], uint16(u32(p[packetTCI:])))
	return at
}

func u16(b []byte) uint16 { return binary.NativeEndian.Uint16(b) }
func u32(b []byte) uint32 { return binary.NativeEndian.Uint32(b) }

// stats adds the kernel's counts to the totals and returns them. The kernel resets its counts when
// they are read.
func (q *queue) stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	_ = q.conn.Control(func(fd uintptr) { // fails after Close, and the last counts remain
		s, err := unix.GetsockoptTpacketStatsV3(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS)
		if err == nil {
			q.counted.Packets += uint64(s.Packets)
			q.counted.Drops += uint64(s.Drops)
		}
	})
	return q.counted
}

// Drops returns the number of packets that the kernel dropped because the ring was full.
func (q *queue) Drops() uint64 { return q.stats().Drops }

// Close ends the capture. A waiting ReadBatch returns [capture.ErrClosed]. The memory of the ring
// is released when q is no longer used.
func (q *queue) Close() error {
	if q.closed.Swap(true) {
		return nil
	}
	q.stats()
	q.ended()
	return q.file.Close()
}

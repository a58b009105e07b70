package afpacket

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"visor/decode"
)

// reserve is the space in front of each packet for a VLAN tag that the network card removed.
const reserve = 4

// fanout joins sockets to a group that shares the traffic.
type fanout struct {
	size int
	id   int // ID of the group, assigned by the first socket
	made bool
}

// target holds the settings shared by the queues of a capture.
type target struct {
	iface  *net.Interface
	link   decode.LinkType
	filter []unix.SockFilter // nil accepts all frames
}

// openSocket returns a socket that captures into a ring, and the ring.
func openSocket(cfg *Config, on *target, group *fanout) (file *os.File, ring []byte, err error) {
	// Protocol 0 receives no packets. The bind starts the capture when everything is prepared.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, explain("socket", err)
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	if err := prepare(fd, cfg, on.filter); err != nil {
		return nil, nil, err
	}
	ring, err = unix.Mmap(fd, 0, cfg.RingSize/blockSize*blockSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, fmt.Errorf("mmap: %w", err)
	}
	if err := start(fd, cfg, on.iface, group); err != nil {
		_ = unix.Munmap(ring)
		return nil, nil, err
	}
	return os.NewFile(uintptr(fd), "packet "+on.iface.Name), ring, nil
}

// prepare sets the options that must be set before a ring is mapped.
func prepare(fd int, cfg *Config, filter []unix.SockFilter) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return fmt.Errorf("TPACKET_V3: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_RESERVE, reserve); err != nil {
		return fmt.Errorf("PACKET_RESERVE: %w", err)
	}
	if err := attach(fd, filter); err != nil {
		return err
	}
	blocks := uint32(cfg.RingSize / blockSize)
	const frame = 2048 // unused by version 3, but it must divide the block size
	req := unix.TpacketReq3{
		Block_size: blockSize, Block_nr: blocks, Frame_size: frame, Frame_nr: blocks * (blockSize / frame),
		Retire_blk_tov: uint32(cfg.BlockTimeout.Milliseconds()),
	}
	if err := unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return fmt.Errorf("ring of %d bytes: %w", cfg.RingSize, err)
	}
	return nil
}

// compile returns the program of a filter, or nil without a filter.
func compile(filter func(decode.LinkType) ([]bpf.RawInstruction, error), link decode.LinkType) ([]unix.SockFilter, error) {
	if filter == nil {
		return nil, nil
	}
	program, err := filter(link)
	if err != nil {
		return nil, err
	}
	if len(program) == 0 || len(program) > unix.BPF_MAXINSNS {
		return nil, fmt.Errorf("filter of %d instructions: the kernel takes 1 to %d", len(program), unix.BPF_MAXINSNS)
	}
	code := make([]unix.SockFilter, len(program))
	for i, ins := range program {
		code[i] = unix.SockFilter{Code: ins.Op, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
	}
	return code, nil
}

// attach installs a program in the kernel if there is one.
func attach(fd int, code []unix.SockFilter) error {
	if len(code) == 0 {
		return nil
	}
	prog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
		return fmt.Errorf("filter: %w", err)
	}
	return nil
}

// start binds the socket to the interface, which starts the capture, and joins it to its group.
func start(fd int, cfg *Config, iface *net.Interface, group *fanout) error {
	const all = unix.ETH_P_ALL<<8&0xFF00 | unix.ETH_P_ALL>>8 // in network byte order
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: iface.Index}); err != nil {
		return explain("bind", err)
	}
	if !cfg.NoPromiscuous {
		mreq := unix.PacketMreq{Ifindex: int32(iface.Index), Type: unix.PACKET_MR_PROMISC}
		if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &mreq); err != nil {
			return fmt.Errorf("promiscuous mode: %w", err)
		}
	}
	return group.join(fd)
}

// join adds a socket to the group if the group has several sockets.
func (g *fanout) join(fd int) error {
	if g.size < 2 {
		return nil
	}
	mode := unix.PACKET_FANOUT_HASH | unix.PACKET_FANOUT_FLAG_ROLLOVER | unix.PACKET_FANOUT_FLAG_DEFRAG
	if !g.made {
		mode |= unix.PACKET_FANOUT_FLAG_UNIQUEID
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT, g.id|mode<<16); err != nil {
		return fmt.Errorf("fanout: %w", err)
	}
	if g.made {
		return nil
	}
	v, err := unix.GetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
	if err != nil {
		return fmt.Errorf("fanout: %w", err)
	}
	g.id, g.made = v&0xFFFF, true
	return nil
}

// explain adds advice to the most common error.
func explain(op string, err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return fmt.Errorf("%s: %w; capturing needs root or the capability CAP_NET_RAW (setcap cap_net_raw+ep PROGRAM; in a container --cap-add=NET_RAW)", op, err)
	}
	return fmt.Errorf("%s: %w", op, err)
}

package collector

import (
	"encoding/binary"
	"net"

	"golang.org/x/sys/unix"
)

// countDrops makes the kernel attach its count of dropped datagrams to each datagram (socket(7),
// SO_RXQ_OVFL).
func countDrops(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	if err := raw.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1) }); err != nil {
		return err
	}
	return set
}

// dropsIn returns the count of dropped datagrams in a control message.
func dropsIn(oob []byte) (total uint32, ok bool) {
	for len(oob) >= unix.SizeofCmsghdr {
		head, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			return 0, false
		}
		if head.Level == unix.SOL_SOCKET && head.Type == unix.SO_RXQ_OVFL && len(data) >= 4 {
			return binary.NativeEndian.Uint32(data), true
		}
		oob = rest
	}
	return 0, false
}

package afpacket

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// netlink is a socket to the kernel's tables of interfaces, addresses and routes (rtnetlink(7)). It
// stays in the network namespace in which it was opened. It is owned by one goroutine.
type netlink struct {
	fd  int
	seq uint32
	buf []byte
}

// openNetlink returns a socket that is a member of groups. Without groups it is blocking.
func openNetlink(groups uint32) (*netlink, error) {
	kind := unix.SOCK_RAW | unix.SOCK_CLOEXEC
	if groups != 0 {
		kind |= unix.SOCK_NONBLOCK
	}
	fd, err := unix.Socket(unix.AF_NETLINK, kind, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("netlink: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("netlink: %w", err)
	}
	// The kernel then filters the routes by table, which matters on a router with a million routes.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1) // since Linux 4.20
	return &netlink{fd: fd, buf: make([]byte, 64<<10)}, nil
}

// file returns the socket as a file whose Close interrupts a Read. n must not be used afterwards.
func (n *netlink) file() *os.File { return os.NewFile(uintptr(n.fd), "netlink") }

func (n *netlink) close() { unix.Close(n.fd) }

// lostMessages reports whether a Read failed because the socket's buffer overflowed.
func lostMessages(err error) bool { return errors.Is(err, unix.ENOBUFS) }

// do sends a request and calls each with the body of every message of the answer. The bodies borrow
// from n.
func (n *netlink) do(kind, flags uint16, request []byte, each func(msg []byte)) error {
	n.seq++
	msg := make([]byte, unix.SizeofNlMsghdr, unix.SizeofNlMsghdr+len(request))
	put32(msg, uint32(cap(msg)))
	binary.NativeEndian.PutUint16(msg[4:], kind)
	binary.NativeEndian.PutUint16(msg[6:], flags|unix.NLM_F_REQUEST)
	put32(msg[8:], n.seq)
	if err := unix.Sendto(n.fd, append(msg, request...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	for {
		size, _, err := unix.Recvfrom(n.fd, n.buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("netlink: %w", err)
		}
		if done, err := n.answer(n.buf[:size], flags&unix.NLM_F_DUMP != 0, each); done || err != nil {
			return err
		}
	}
}

// answer parses the messages of a datagram and reports whether they complete the answer.
func (n *netlink) answer(b []byte, dump bool, each func(msg []byte)) (done bool, err error) {
	for len(b) >= unix.SizeofNlMsghdr {
		size := int(u32(b))
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return true, errors.New("netlink: message cut")
		}
		kind, seq, body := u16(b[4:]), u32(b[8:]), b[unix.SizeofNlMsghdr:size]
		b = b[min((size+3)&^3, len(b)):]
		switch {
		case seq != n.seq: // answer to a request that failed
			continue
		case kind == unix.NLMSG_DONE:
			return true, nil
		case kind == unix.NLMSG_ERROR:
			if len(body) >= 4 && u32(body) != 0 {
				return true, fmt.Errorf("netlink: %w", unix.Errno(-int32(u32(body))))
			}
			return true, nil
		}
		each(body)
		done = !dump
	}
	return done, nil
}

// attribute returns the value of the first attribute of a type, or nil without one.
func attribute(b []byte, typ uint16) []byte {
	const nested = 0x8000
	for len(b) >= 4 {
		size := int(u16(b))
		if size < 4 || size > len(b) {
			break
		}
		if u16(b[2:])&^nested == typ {
			return b[4:size]
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	return nil
}

func put32(b []byte, v uint32) { binary.NativeEndian.PutUint32(b, v) }

func cString(b []byte) string {
	text, _, _ := bytes.Cut(b, []byte{0})
	return string(text)
}

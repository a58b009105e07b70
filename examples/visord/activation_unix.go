//go:build unix

package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// handedOver holds the sockets that systemd opened for this process (man sd_listen_fds). systemd
// can set owners and groups that a process without privileges cannot.
type handedOver []handedSocket

type handedSocket struct {
	file *os.File // kept for a tap that is reloaded
	addr net.Addr
}

// socketsHandedOver returns the sockets passed at the start of the process. Child processes do not
// inherit them.
func socketsHandedOver(log *slog.Logger) (handedOver, error) {
	const first = 3
	pid, count := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		_ = os.Unsetenv(name) // never fails: the name is valid
	}
	if pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 {
		return nil, fmt.Errorf("LISTEN_FDS %q: must be a number of sockets", count)
	}
	var out handedOver
	for fd := first; fd < first+n; fd++ {
		syscall.CloseOnExec(fd)
		file := os.NewFile(uintptr(fd), "socket "+strconv.Itoa(fd))
		l, err := net.FileListener(file)
		if err != nil {
			return nil, fmt.Errorf("%s of systemd: %w: only stream sockets that listen are of use (ListenStream=, Accept=no)", file.Name(), err)
		}
		out = append(out, handedSocket{file, l.Addr()})
		log.Info("socket handed over by systemd: it is for the tap at that address", "address", l.Addr())
		_ = l.Close() // closes a duplicate
	}
	return out, nil
}

// listen returns the socket that listens on an address, or nil without one.
func (h handedOver) listen(network, address string) (net.Listener, error) {
	for _, s := range h {
		if sameAddress(s.addr, network, address) {
			return net.FileListener(s.file)
		}
	}
	return nil, nil
}

// sameAddress reports whether a socket at addr matches a configured address. The unspecified
// addresses of IPv4 and IPv6 are equal.
func sameAddress(addr net.Addr, network, address string) bool {
	if addr.Network() != network {
		return false
	}
	if network == "unix" {
		return filepath.Clean(addr.String()) == filepath.Clean(address)
	}
	want, err := net.ResolveTCPAddr("tcp", address)
	got, ok := addr.(*net.TCPAddr)
	if err != nil || !ok || want.Port != got.Port {
		return false
	}
	anywhere := func(ip net.IP) bool { return ip == nil || ip.IsUnspecified() }
	return want.IP.Equal(got.IP) || anywhere(want.IP) && anywhere(got.IP)
}

package afpacket

import (
	"errors"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"visor/decode"
)

// refreshAfter is the longest time that a change without a message goes unnoticed. These are routes
// in the local table that no address created. Subscribing to messages about routes would be costly
// on a router.
const refreshAfter = 5 * time.Second

// refreshPause is the shortest time between two refreshes, in case hundreds of interfaces come and
// go.
const refreshPause = 50 * time.Millisecond

// locality holds the current state that decides the direction of an interface's packets.
type locality struct {
	index   int
	loop    bool
	ask     *netlink // a socket in the namespace of the capture
	changes *os.File

	own atomic.Pointer[decode.NetSet]
	// ends reports whether traffic of the interface ends at this host: it is not loopback, does not
	// forward, and does not belong to a bridge.
	ends atomic.Bool
}

func watchLocality(index int, loop bool) (*locality, error) {
	ask, err := openNetlink(0)
	if err != nil {
		return nil, err
	}
	const settings = 1<<(unix.RTNLGRP_IPV4_NETCONF-1) | 1<<(unix.RTNLGRP_IPV6_NETCONF-1)
	changes, err := openNetlink(unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR | settings)
	if err != nil {
		ask.close()
		return nil, err
	}
	l := &locality{index: index, loop: loop, ask: ask, changes: changes.file()}
	if err := l.refresh(); err != nil {
		l.changes.Close()
		ask.close()
		return nil, err
	}
	return l, nil
}

// watch refreshes l until it is closed. It calls vanished once when the interface no longer exists.
// The capture socket reports that only if the interface was up.
func (l *locality) watch(vanished func()) {
	defer l.ask.close()
	buf := make([]byte, 64<<10)
	for {
		_ = l.changes.SetReadDeadline(time.Now().Add(refreshAfter))
		if _, err := l.changes.Read(buf); err != nil && !os.IsTimeout(err) && !lostMessages(err) {
			return // closed
		}
		if err := l.refresh(); errors.Is(err, unix.ENODEV) {
			vanished()
			vanished = func() {}
		} // otherwise the previous state stays: the kernel is short of memory
		time.Sleep(refreshPause)
	}
}

func (l *locality) close() { l.changes.Close() }

// refresh queries the kernel for the current state.
func (l *locality) refresh() error {
	prefixes, err := l.ask.localAddresses()
	if err != nil {
		return err
	}
	own := decode.NewNetSet(prefixes...)
	l.own.Store(&own)
	passes, err := l.ask.passes(l.index)
	if err != nil {
		return err
	}
	l.ends.Store(!l.loop && !passes)
	return nil
}

// localAddresses returns the kernel's local table. It holds all addresses of the namespace on any
// interface, anycast included, and prefixes that were made local (ip route add local).
func (n *netlink) localAddresses() (out []netip.Prefix, err error) {
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		request := make([]byte, unix.SizeofRtMsg)
		request[0], request[4] = family, unix.RT_TABLE_LOCAL
		err := n.do(unix.RTM_GETROUTE, unix.NLM_F_DUMP, request, func(msg []byte) {
			if p, ok := localRoute(msg); ok {
				out = append(out, p)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// localRoute parses a route (struct rtmsg of linux/rtnetlink.h).
func localRoute(msg []byte) (netip.Prefix, bool) {
	const bits, table, kind = 1, 4, 7
	if len(msg) < unix.SizeofRtMsg || msg[table] != unix.RT_TABLE_LOCAL || msg[kind] != unix.RTN_LOCAL && msg[kind] != unix.RTN_ANYCAST {
		return netip.Prefix{}, false
	}
	dst := attribute(msg[unix.SizeofRtMsg:], unix.RTA_DST)
	addr, ok := netip.AddrFromSlice(dst)
	if !ok {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(addr, int(msg[bits])), true
}

// passes reports whether an interface passes on packets for other hosts. It does if it forwards
// IPv4 or IPv6, or if it is a bridge or a port of one.
func (n *netlink) passes(index int) (passes bool, err error) {
	request := make([]byte, unix.SizeofIfInfomsg)
	put32(request[4:], uint32(index))
	err = n.do(unix.RTM_GETLINK, 0, request, func(msg []byte) {
		if len(msg) >= unix.SizeofIfInfomsg {
			attrs := msg[unix.SizeofIfInfomsg:]
			passes = bridges(attrs) || forwards(attrs)
		}
	})
	return passes, err
}

func bridges(attrs []byte) bool {
	info := attribute(attrs, unix.IFLA_LINKINFO)
	for _, kind := range []uint16{unix.IFLA_INFO_KIND, unix.IFLA_INFO_SLAVE_KIND} {
		switch cString(attribute(info, kind)) {
		case "bridge", "openvswitch":
			return true
		}
	}
	return false
}

// forwards reads the switch "forwarding" from the interface's settings, which are arrays of 32-bit
// values.
func forwards(attrs []byte) bool {
	const conf4, conf6 = 1, 2 // IFLA_INET_CONF, IFLA_INET6_CONF
	families := attribute(attrs, unix.IFLA_AF_SPEC)
	settings4 := attribute(attribute(families, unix.AF_INET), conf4)
	settings6 := attribute(attribute(families, unix.AF_INET6), conf6)
	// the switch is the first setting of both families
	on := func(settings []byte) bool { return len(settings) >= 4 && u32(settings) != 0 }
	return on(settings4) || on(settings6)
}

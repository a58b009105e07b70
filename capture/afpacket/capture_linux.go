package afpacket

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"visor/capture"
	"visor/decode"
)

// Capture captures from one interface.
type Capture struct {
	iface    *net.Interface
	locality *locality
	queues   []*queue
	open     atomic.Int32 // number of queues that are not closed
}

// Open starts to capture. The error names the cause, such as a missing interface or permission.
func Open(cfg Config) (*Capture, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	iface, err := find(cfg.Interface)
	if err != nil {
		return nil, fmt.Errorf("afpacket: %w", err)
	}
	link, err := linkType(iface.Name)
	if err != nil {
		return nil, fmt.Errorf("afpacket: %w", err)
	}
	program, err := compile(cfg.Filter, link)
	if err != nil {
		return nil, fmt.Errorf("afpacket: %s: %w", iface.Name, err)
	}
	loop := iface.Flags&net.FlagLoopback != 0
	locality, err := watchLocality(iface.Index, loop)
	if err != nil {
		return nil, fmt.Errorf("afpacket: %s: %w", iface.Name, err)
	}
	c := &Capture{iface: iface, locality: locality}
	c.open.Store(int32(cfg.Queues))
	group := fanout{size: cfg.Queues}
	for range cfg.Queues {
		q, err := openQueue(&cfg, &target{iface, link, program}, &group)
		if err != nil {
			c.close()
			return nil, fmt.Errorf("afpacket: %s: %w", iface.Name, err)
		}
		q.locality, q.ended = locality, c.queueEnded
		c.queues = append(c.queues, q)
	}
	go locality.watch(c.vanished)
	return c, nil
}

// vanished ends the queues because the interface was deleted or moved to another namespace.
func (c *Capture) vanished() {
	for _, q := range c.queues {
		q.vanish()
	}
}

// close releases the resources of a Capture that could not be opened.
func (c *Capture) close() {
	for _, q := range c.queues {
		_ = q.Close()
	}
	c.locality.close()
	c.locality.ask.close() // watch does not run yet
}

// queueEnded is called after a queue was closed.
func (c *Capture) queueEnded() {
	if c.open.Add(-1) == 0 {
		c.locality.close()
	}
}

// Interface returns the name of the interface.
func (c *Capture) Interface() string { return c.iface.Name }

// Sources returns the queues, one per worker. Closing them all ends the capture.
func (c *Capture) Sources() []capture.Source {
	var out []capture.Source
	for _, q := range c.queues {
		out = append(out, q)
	}
	return out
}

// Own returns the current addresses of this host: all of the network namespace, on any interface.
// The sources return them too, and use them to find the direction of frames; see [capture.Owner].
func (c *Capture) Own() *decode.NetSet { return c.locality.own.Load() }

// Stats returns the counts of the kernel so far.
func (c *Capture) Stats() (sum Stats) {
	for _, q := range c.queues {
		s := q.stats()
		sum.Packets += s.Packets
		sum.Drops += s.Drops
	}
	return sum
}

// find returns the interface that name refers to.
func find(name string) (*net.Interface, error) {
	if name == "auto" {
		return busiest()
	}
	addr, err := netip.ParseAddr(name)
	if err != nil {
		iface, err := net.InterfaceByName(name)
		if err != nil {
			return nil, fmt.Errorf("interface %q: %w", name, err)
		}
		return iface, nil
	}
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for i := range all {
		if has(&all[i], addr) {
			return &all[i], nil
		}
	}
	return nil, fmt.Errorf("no interface has the address %s", addr)
}

func has(iface *net.Interface, addr netip.Addr) bool {
	addrs, err := iface.Addrs()
	return err == nil && slices.ContainsFunc(addrs, func(a net.Addr) bool {
		p, err := netip.ParsePrefix(a.String())
		return err == nil && p.Addr() == addr
	})
}

// busiest returns the Ethernet interface that is up and has moved the most bytes.
func busiest() (*net.Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var best *net.Interface
	most := uint64(0)
	for i := range all {
		iface := &all[i]
		if iface.Flags&net.FlagUp == 0 || iface.Flags&net.FlagLoopback != 0 || kind(iface.Name) != arpEthernet {
			continue
		}
		if n := moved(iface.Name); best == nil || n > most {
			best, most = iface, n
		}
	}
	if best == nil {
		return nil, fmt.Errorf("interface \"auto\": found no Ethernet interface that is up")
	}
	return best, nil
}

// Hardware types (linux/if_arp.h).
const (
	arpEthernet = 1
	arpLoopback = 772
	arpNone     = 65534 // tunnels: IP without a link header
)

// linkType returns the type of the first header of an interface's frames.
func linkType(name string) (decode.LinkType, error) {
	switch n := kind(name); n {
	case arpEthernet, arpLoopback:
		return decode.LinkEthernet, nil
	case arpNone:
		return decode.LinkRaw, nil
	default:
		return 0, fmt.Errorf("interface %s has the hardware type %d, which is not supported; Ethernet, loopback and IP tunnels are", name, n)
	}
}

// kind returns the hardware type of an interface, or 0 if it is unknown.
func kind(name string) uint16 {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(name)
	if err != nil || unix.IoctlIfreq(fd, unix.SIOCGIFHWADDR, req) != nil {
		return 0
	}
	return req.Uint16() // the kernel stores the type in the address family
}

// moved returns the number of bytes that an interface has received and sent.
func moved(name string) (n uint64) {
	table, err := os.ReadFile("/proc/thread-self/net/dev")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(table)) {
		iface, counts, ok := strings.Cut(line, ":")
		if f := strings.Fields(counts); ok && strings.TrimSpace(iface) == name && len(f) > 8 {
			received, _ := strconv.ParseUint(f[0], 10, 64)
			sent, _ := strconv.ParseUint(f[8], 10, 64)
			n = received + sent
		}
	}
	return n
}

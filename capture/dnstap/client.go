package dnstap

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"visor/decode"
)

// client is a connection.
type client struct {
	conn net.Conn
	// the IPv4 address or the IPv6 /64 network; invalid for a Unix socket
	from   netip.Addr
	joined time.Time
	// started is set when the stream has begun. waits is the time at which the client began to wait
	// between two frames, in ns since the Unix epoch. It is 0 within a frame.
	started atomic.Bool
	waits   atomic.Int64
	evicted atomic.Bool
}

// grace is how long a client that has not begun its stream keeps its place while others want one.
const grace = time.Second

func newClient(conn net.Conn) *client {
	return &client{conn: conn, from: network(conn.RemoteAddr()), joined: time.Now()}
}

// network returns the IPv4 address or the IPv6 /64 network of a TCP client. A host with one address
// of a /64 usually controls all of them.
func network(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	addr := tcp.AddrPort().Addr().Unmap().WithZone("")
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			addr = p.Addr()
		}
	}
	return addr
}

// spare returns how long the client has been idle beyond its limit, or 0 if it must keep its place.
func (c *client) spare(now time.Time, timeout time.Duration) time.Duration {
	age, least := now.Sub(c.joined), grace
	if c.started.Load() {
		waits := c.waits.Load()
		if waits == 0 {
			return 0
		}
		age, least = now.Sub(time.Unix(0, waits)), timeout
	}
	if age < least {
		return 0
	}
	return age
}

// accept accepts clients until the socket is closed.
func (l *Listener) accept() {
	for {
		conn, err := l.socket.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // for instance out of file descriptors, which other clients may release
			l.turned.note("not accepted: "+reasonOf(err), netip.Addr{})
			select {
			case <-time.After(100 * time.Millisecond):
			case <-l.gone:
			}
		default:
			c := newClient(conn)
			if cause := l.enter(c); cause != "" {
				l.stats.refused.Add(1)
				l.turned.note(cause, c.from)
				conn.Close()
				continue
			}
			l.wg.Go(func() { l.serve(c) })
		}
	}
}

// Causes for turning clients away.
const (
	causeAddress    = "address is not allowed"
	causePerAddress = "too many clients of one address"
	causeFull       = "too many clients"
	causeEvicted    = "idle, had to make room for another client"
	causeClosed     = "the listener is closed"
)

// enter adds a client, or returns the cause for turning it away.
func (l *Listener) enter(c *client) (cause string) {
	addr, isTCP := c.conn.RemoteAddr().(*net.TCPAddr)
	if isTCP && !allowed(&l.cfg.Allow, addr) {
		return causeAddress
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.clients == nil:
		return causeClosed
	case isTCP && l.perAddr[c.from] >= l.cfg.PerAddress:
		return causePerAddress
	case len(l.clients) >= l.cfg.Clients && !l.evict():
		return causeFull
	}
	l.clients[c] = struct{}{}
	if isTCP {
		l.perAddr[c.from]++
	}
	l.stats.clients.Add(1)
	return ""
}

func allowed(nets *decode.NetSet, a *net.TCPAddr) bool {
	return nets.Empty() || nets.Contains(a.AddrPort().Addr().Unmap().WithZone(""))
}

// evict disconnects the client that has been idle for the longest time. It returns false if all
// clients must stay. The caller holds mu.
func (l *Listener) evict() bool {
	var victim *client
	longest, now := time.Duration(0), time.Now()
	for c := range l.clients {
		if age := c.spare(now, l.cfg.Timeout); age > longest {
			victim, longest = c, age
		}
	}
	if victim == nil {
		return false
	}
	victim.evicted.Store(true)
	l.forget(victim)
	victim.conn.Close()
	return true
}

// forget removes a client. The caller holds mu.
func (l *Listener) forget(c *client) {
	if _, known := l.clients[c]; !known {
		return
	}
	delete(l.clients, c)
	if !c.from.IsValid() {
		return
	}
	if l.perAddr[c.from]--; l.perAddr[c.from] == 0 {
		delete(l.perAddr, c.from)
	}
}

func (l *Listener) leave(c *client) {
	l.mu.Lock()
	l.forget(c)
	l.mu.Unlock()
	c.conn.Close()
}

// serve reads one client to its end.
func (l *Listener) serve(c *client) {
	defer l.leave(c)
	log := l.cfg.Logger.With("client", c.conn.RemoteAddr())
	log.Debug("dnstap: client connected")
	r := newReader(c.conn)
	defer r.release()
	r.answer = c.conn
	r.budget, r.gone = l.large, l.gone
	r.begun = func(now bool) { l.limit(c, now) }
	switch err := l.read(r); {
	case c.evicted.Load():
		l.stats.refused.Add(1)
		l.turned.note(causeEvicted, c.from)
	case err == nil, err == io.EOF, errors.Is(err, net.ErrClosed):
		log.Debug("dnstap: client gone")
	default:
		l.stats.violated.Add(1)
		l.turned.note(r.cause(err), c.from)
	}
}

// limit sets the deadline of the client: for a frame that has begun, for the handshake, or for the
// next frame.
func (l *Listener) limit(c *client, inFrame bool) {
	var limit time.Time
	now := time.Now()
	switch {
	case inFrame:
		limit = now.Add(l.cfg.Timeout)
		c.waits.Store(0)
	default:
		c.started.Store(true)
		c.waits.Store(now.UnixNano())
		if l.cfg.Idle > 0 {
			limit = now.Add(l.cfg.Idle)
		}
	}
	_ = c.conn.SetDeadline(limit) // fails on a closed connection, and so does the next Read
}

// read passes on the frames of one client. It holds a slab only while whole frames are buffered, so
// that slow clients do not take slabs from others.
func (l *Listener) read(r *reader) error {
	for {
		frame, err := r.next()
		if err != nil {
			return err
		}
		s := l.take()
		if s == nil {
			return nil
		}
		s.add(frame)
		s.addAll(r.ahead(s.room()))
		l.stats.frames.Add(uint64(len(s.frames)))
		l.full <- s // never blocks: the channel has room for all slabs
	}
}

package dnstap

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"visor/capture"
	"visor/decode"
)

// Config configures a Listener. Socket, or both Network and Address, must be set.
type Config struct {
	Network string // "unix" or "tcp"
	Address string // path of a socket, or host:port

	// Socket is a listening socket, such as one opened by systemd. Network, Address, Mode, Owner
	// and Group are then ignored. The Listener takes ownership of it.
	Socket net.Listener

	// permissions of a Unix socket; users with write permission may connect; 0 means 0660
	Mode fs.FileMode
	// of a Unix socket, names or numbers; "" keeps the owner and group of the process
	Owner, Group string

	TLS   *tls.Config   // if not nil, clients must use TLS; TCP only
	Allow decode.NetSet // networks of TCP clients; empty accepts all

	Clients int // limit of concurrent clients; 0 means 1024
	// limit of concurrent clients per IPv4 address or IPv6 /64 network; 0 means a quarter of
	// Clients
	PerAddress int
	// limit for the handshake, and for each frame that has begun; 0 means 10 s
	Timeout time.Duration
	// limit between two frames; 0 means no limit, unless another client needs the place
	Idle time.Duration
	// limit for the frames over 16 KiB that are being read, in bytes; 0 means 8 MiB
	Memory int

	// logs clients that connect and disconnect, at debug level, and clients that are turned away;
	// nil disables logging
	Logger *slog.Logger
}

func (cfg Config) withDefaults() Config {
	cfg.Clients = cmp.Or(cfg.Clients, 1024)
	cfg.PerAddress = cmp.Or(cfg.PerAddress, max(1, cfg.Clients/4))
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	cfg.Memory = max(cmp.Or(cfg.Memory, 8<<20), maxFrame) // at least one frame
	cfg.Mode = cmp.Or(cfg.Mode, 0o660)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return cfg
}

func (cfg *Config) validate() error {
	network := cfg.Network
	if cfg.Socket != nil {
		network = cfg.Socket.Addr().Network()
	}
	switch {
	case network != "unix" && network != "tcp":
		return fmt.Errorf("network %q: must be unix or tcp", network)
	case network == "unix" && cfg.TLS != nil:
		return errors.New("TLS is for tcp, not for unix sockets")
	case cfg.Clients < 0 || cfg.PerAddress < 0 || cfg.Timeout < 0 || cfg.Idle < 0:
		return errors.New("none of Clients, PerAddress, Timeout and Idle may be negative")
	}
	return nil
}

// slabs is the number of batches of a Listener. The worker holds one; the others are filled by
// clients or wait.
const slabs = 16

// Listener is a Source of the frames that clients send. It is owned by one goroutine; Close, Addr,
// Stats and Reasons may be called from any.
//
// Its memory is bounded: 24 KiB for each client, Config.Memory for long frames in transit, and 16
// batches of at most 1.2 MiB.
type Listener struct {
	cfg    Config
	socket net.Listener
	full   chan *slab
	free   chan *slab
	lent   *slab
	gone   chan struct{} // closed by Close
	once   sync.Once
	wg     sync.WaitGroup // the accepting goroutine and one per client
	large  *budget

	mu      sync.Mutex
	clients map[*client]struct{} // nil after Close
	perAddr map[netip.Addr]int

	turned turnedAway
	stats  stats
}

var (
	_ capture.Source     = (*Listener)(nil)
	_ capture.LiveSource = (*Listener)(nil)
	_ capture.Reasoner   = (*Listener)(nil)
)

// Stats holds the counts of a Listener.
type Stats struct {
	Clients uint64 // clients accepted
	// clients turned away by the limits of addresses or number, or disconnected to make room for
	// others
	Refused uint64
	// clients disconnected because they violated the protocol or stalled within a frame
	Violated uint64
	Frames   uint64
}

type stats struct{ clients, refused, violated, frames atomic.Uint64 }

// Listen returns a Listener that accepts clients. It replaces a Unix socket left behind by an
// earlier process. Any other file at the path is an error.
func Listen(cfg Config) (*Listener, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("dnstap: %w", err)
	}
	socket, err := cfg.listen()
	if err != nil {
		return nil, fmt.Errorf("dnstap: %w", err)
	}
	l := &Listener{
		cfg: cfg, socket: socket, gone: make(chan struct{}), large: newBudget(cfg.Memory),
		clients: make(map[*client]struct{}), perAddr: make(map[netip.Addr]int), turned: turnedAway{log: cfg.Logger},
		full: make(chan *slab, slabs), free: make(chan *slab, slabs),
	}
	for range slabs {
		l.free <- &slab{live: true}
	}
	l.wg.Go(l.accept)
	return l, nil
}

// take waits for an empty slab. It returns nil when the Listener is closed.
func (l *Listener) take() *slab {
	select {
	case s := <-l.free:
		return s
	case <-l.gone:
		return nil
	}
}

// ReadBatch replaces the contents of b with the next frames of one client, and waits for the first.
// They borrow from l until the next ReadBatch. After Close it returns the frames already read, and
// then [capture.ErrClosed].
func (l *Listener) ReadBatch(b *capture.Batch) error {
	b.Reset()
	if l.lent != nil {
		l.lent.reset()
		l.free <- l.lent
		l.lent = nil
	}
	select {
	case l.lent = <-l.full:
	default:
		select {
		case l.lent = <-l.full:
		case <-l.gone:
			return capture.ErrClosed
		}
	}
	b.Frames = append(b.Frames, l.lent.frames...)
	return nil
}

// Live returns true.
func (l *Listener) Live() bool { return true }

// Addr returns the address that the Listener listens on.
func (l *Listener) Addr() net.Addr { return l.socket.Addr() }

// Stats returns the counts so far.
func (l *Listener) Stats() Stats {
	return Stats{
		Clients: l.stats.clients.Load(), Refused: l.stats.refused.Load(),
		Violated: l.stats.violated.Load(), Frames: l.stats.frames.Load(),
	}
}

// Reasons returns the causes for turning clients away or disconnecting them, by address.
func (l *Listener) Reasons() []capture.Reason { return l.turned.reasons() }

// Close disconnects all clients, removes a Unix socket created by Listen, and waits for the
// goroutines. ReadBatch can still return frames that were read before.
func (l *Listener) Close() (err error) {
	l.once.Do(func() {
		err = l.socket.Close()
		l.mu.Lock()
		clients := l.clients
		l.clients = nil
		l.mu.Unlock()
		for c := range clients {
			c.conn.Close()
		}
		close(l.gone)
		l.wg.Wait()
	})
	if err != nil {
		return fmt.Errorf("dnstap: %w", err)
	}
	return nil
}

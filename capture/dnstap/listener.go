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

// Config configures a Listener. Network and Address must be set, or Socket.
type Config struct {
	Network string // "unix" or "tcp"
	Address string // path of a socket, or host:port

	// Socket already listens, as one that systemd has opened: Network, Address, Mode, Owner and
	// Group are not used then. The Listener takes ownership of it.
	Socket net.Listener

	// permissions of a Unix socket: users that may write to it may connect; 0 means 0660
	Mode         fs.FileMode
	Owner, Group string // of a Unix socket: names or numbers; "" leaves those of the process

	TLS   *tls.Config     // not nil: clients come with TLS; TCP only
	Allow decode.HostNets // networks of clients over TCP; empty lets all in

	Clients int // that may be connected at once; 0 means 1024
	// of these, from one IPv4 address or one IPv6 network of 64 bits; 0 means a quarter of Clients
	PerAddress int
	Timeout    time.Duration // for the handshake, and for a frame that was begun; 0 means 10 s
	// between two frames; 0 means no limit, unless another client needs the place
	Idle time.Duration
	// bytes of frames longer than 16 KiB that are read at once; 0 means 8 MiB
	Memory int

	// gets clients that come and go, at debug level, and those that are turned away; nil is silence
	Logger *slog.Logger
}

func (cfg Config) withDefaults() Config {
	cfg.Clients = cmp.Or(cfg.Clients, 1024)
	cfg.PerAddress = cmp.Or(cfg.PerAddress, max(1, cfg.Clients/4))
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	cfg.Memory = max(cmp.Or(cfg.Memory, 8<<20), maxFrame) // no less than a frame
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

// slabs is how many batches of a Listener exist: one with the worker, the others with clients or
// waiting.
const slabs = 16

// Listener is a Source of what clients send. It is owned by one goroutine; Close, Addr, Stats and
// Reasons may be called from any.
//
// Its memory is bounded: 24 KiB for each client, Config.Memory for long frames that are on their
// way, and 16 batches of at most 1.2 MiB.
type Listener struct {
	cfg    Config
	socket net.Listener
	full   chan *slab
	free   chan *slab
	lent   *slab
	gone   chan struct{} // closed by Close
	once   sync.Once
	wg     sync.WaitGroup // the accepting goroutine and one for each client
	large  *budget

	mu      sync.Mutex
	clients map[*client]struct{} // nil once the Listener is closed
	perAddr map[netip.Addr]int

	turned turnedAway
	stats  stats
}

var (
	_ capture.Source   = (*Listener)(nil)
	_ capture.Reasoner = (*Listener)(nil)
)

// Stats counts what a Listener has seen.
type Stats struct {
	Clients uint64 // that were let in
	// turned away for their address or their number, or disconnected to make room for others
	Refused uint64
	// disconnected because they broke the protocol, or came to a stop within a frame
	Violated uint64
	Frames   uint64
}

type stats struct{ clients, refused, violated, frames atomic.Uint64 }

// Listen returns a Listener that accepts clients. A Unix socket that a former process has left
// behind is replaced; anything else at its path is an error.
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
		l.free <- new(slab)
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

// ReadBatch replaces the contents of b with the next frames of one client, waiting if there are
// none. They borrow from l until the next ReadBatch. After Close it returns what had been read by
// then, and then [capture.ErrClosed].
func (l *Listener) ReadBatch(b *capture.Batch) error {
	b.Frames, b.Epoch = b.Frames[:0], 0
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

// Addr returns where the Listener listens.
func (l *Listener) Addr() net.Addr { return l.socket.Addr() }

// Stats returns what was counted so far.
func (l *Listener) Stats() Stats {
	return Stats{
		Clients: l.stats.clients.Load(), Refused: l.stats.refused.Load(),
		Violated: l.stats.violated.Load(), Frames: l.stats.frames.Load(),
	}
}

// Reasons returns why clients were turned away or disconnected, by reason and address.
func (l *Listener) Reasons() []capture.Reason { return l.turned.reasons() }

// Close disconnects all clients, removes a Unix socket that Listen has made, and waits for the
// goroutines. Frames that were read stay to be had from ReadBatch.
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

package dnstap

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"visor/capture"
)

// Config configures a Listener. Network and Address must be set.
type Config struct {
	Network string        // "unix" or "tcp"
	Address string        // path of a socket, or host:port
	TLS     *tls.Config   // not nil: clients come with TLS; TCP only
	Mode    fs.FileMode   // permissions of a Unix socket, so that the server's user may write to it; 0 leaves those of the umask
	Clients int           // that may be connected at once; 0 means 1024. More are turned away
	Timeout time.Duration // for the handshake, and for a frame that was begun; 0 means 10 s
	Logger  *slog.Logger  // told of clients that come, go and misbehave; nil is silence
}

func (cfg Config) withDefaults() Config {
	cfg.Clients = cmp.Or(cfg.Clients, 1024)
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return cfg
}

// slabs is how many batches of a Listener exist: one with the worker, the others with clients or waiting.
const slabs = 16

// Listener is a Source of what clients send. It is owned by one goroutine; Close, Addr and Stats may be called from any.
type Listener struct {
	cfg    Config
	socket net.Listener
	full   chan *slab
	free   chan *slab
	lent   *slab
	gone   chan struct{} // closed by Close
	once   sync.Once
	wg     sync.WaitGroup // the accepting goroutine and one for each client

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	stats stats
}

var _ capture.Source = (*Listener)(nil)

// Stats counts what a Listener has seen.
type Stats struct {
	Clients  uint64 // that were let in
	Refused  uint64 // turned away because there were too many
	Violated uint64 // disconnected because they broke the protocol, or came to a stop within a frame
	Frames   uint64
}

type stats struct{ clients, refused, violated, frames atomic.Uint64 }

// Listen returns a Listener that accepts clients. A Unix socket that a former process has left behind is replaced; one that
// somebody listens on is an error.
func Listen(cfg Config) (*Listener, error) {
	cfg = cfg.withDefaults()
	switch {
	case cfg.Network != "unix" && cfg.Network != "tcp":
		return nil, fmt.Errorf("dnstap: network %q: must be unix or tcp", cfg.Network)
	case cfg.Network == "unix" && cfg.TLS != nil:
		return nil, errors.New("dnstap: TLS is for tcp, not for unix sockets")
	case cfg.Clients < 0 || cfg.Timeout < 0:
		return nil, errors.New("dnstap: Clients and Timeout must not be negative")
	}
	socket, err := listen(cfg)
	if err != nil {
		return nil, fmt.Errorf("dnstap: %w", err)
	}
	l := &Listener{
		cfg: cfg, socket: socket, gone: make(chan struct{}), conns: make(map[net.Conn]struct{}),
		full: make(chan *slab, slabs), free: make(chan *slab, slabs),
	}
	for range slabs {
		l.free <- new(slab)
	}
	l.wg.Go(l.accept)
	return l, nil
}

func listen(cfg Config) (net.Listener, error) {
	if cfg.Network == "unix" {
		if err := removeStale(cfg.Address); err != nil {
			return nil, err
		}
	}
	socket, err := net.Listen(cfg.Network, cfg.Address)
	if err != nil {
		return nil, err
	}
	if cfg.Network == "unix" && cfg.Mode != 0 {
		if err := os.Chmod(cfg.Address, cfg.Mode); err != nil {
			socket.Close()
			return nil, err
		}
	}
	if cfg.TLS != nil {
		socket = tls.NewListener(socket, cfg.TLS)
	}
	return socket, nil
}

// removeStale removes a socket that nobody listens on.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		return nil // nothing there, or something that Listen will complain about
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
		return fmt.Errorf("listen unix %s: %w: something listens on it", path, syscall.EADDRINUSE)
	}
	return os.Remove(path)
}

// accept lets clients in until the socket is closed.
func (l *Listener) accept() {
	for {
		conn, err := l.socket.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // out of files, for instance: others may close theirs
			l.cfg.Logger.Warn("dnstap: client not accepted", "error", err)
			select {
			case <-time.After(100 * time.Millisecond):
			case <-l.gone:
			}
		case !l.enter(conn):
			l.stats.refused.Add(1)
			conn.Close()
		default:
			l.wg.Go(func() { l.serve(conn) })
		}
	}
}

// enter notes a client, unless there are too many or the Listener is closed.
func (l *Listener) enter(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns == nil || len(l.conns) >= l.cfg.Clients {
		return false
	}
	l.conns[conn] = struct{}{}
	l.stats.clients.Add(1)
	return true
}

func (l *Listener) leave(conn net.Conn) {
	l.mu.Lock()
	delete(l.conns, conn)
	l.mu.Unlock()
	conn.Close()
}

// serve reads one client to its end.
func (l *Listener) serve(conn net.Conn) {
	defer l.leave(conn)
	log := l.cfg.Logger.With("client", conn.RemoteAddr())
	log.Debug("dnstap: client connected")
	r := newReader(conn)
	r.answer = conn
	r.begun = func(now bool) {
		var limit time.Time
		if now {
			limit = time.Now().Add(l.cfg.Timeout)
		}
		_ = conn.SetDeadline(limit) // fails on a closed connection, of which the next Read tells
	}
	switch err := l.read(r); {
	case err == nil, err == io.EOF, errors.Is(err, net.ErrClosed):
		log.Debug("dnstap: client gone")
	default:
		l.stats.violated.Add(1)
		log.Warn("dnstap: client disconnected", "error", err)
	}
}

// read passes on the frames of one client. It holds a slab only while there are whole frames to put in, so that slow clients do
// not take them from others.
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
		s.addLive(frame)
		for err == nil && !s.full() && r.buffered() {
			if frame, err = r.next(); err == nil {
				s.addLive(frame)
			}
		}
		l.stats.frames.Add(uint64(len(s.frames)))
		l.full <- s // there is room for all slabs
		if err != nil {
			return err
		}
	}
}

// take waits for an empty slab. It returns nil when the Listener is closed.
func (l *Listener) take() *slab {
	select {
	case s := <-l.free:
		s.reset()
		return s
	case <-l.gone:
		return nil
	}
}

// ReadBatch replaces the contents of b with the next frames of one client, waiting if there are none. They borrow from l until
// the next ReadBatch. After Close it gives what had been read by then, and then returns [capture.ErrClosed].
func (l *Listener) ReadBatch(b *capture.Batch) error {
	b.Frames, b.Epoch = b.Frames[:0], 0
	if l.lent != nil {
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

// Close disconnects all clients, removes a Unix socket, and waits for the goroutines. Frames that were read stay to be
// had from ReadBatch.
func (l *Listener) Close() (err error) {
	l.once.Do(func() {
		err = l.socket.Close()
		l.mu.Lock()
		conns := l.conns
		l.conns = nil
		l.mu.Unlock()
		for conn := range conns {
			conn.Close()
		}
		close(l.gone)
		l.wg.Wait()
	})
	if err != nil {
		return fmt.Errorf("dnstap: %w", err)
	}
	return nil
}

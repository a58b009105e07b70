package probe

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http/httptrace"
	"strconv"
	"time"

	"visor/decode/dnsmsg"
	"visor/decode/probemsg"
)

// resolver queries one DNS server. It opens a new connection for each query.
type resolver struct {
	src    *Source
	target *Target
}

// test sends a query and reports the outcome.
func (r *resolver) test(ctx context.Context, key uint64) {
	ctx, cancel := r.src.limit(ctx)
	defer cancel()
	var p phases
	start := time.Now()
	out, err := r.ask(httptrace.WithClientTrace(ctx, p.trace()), &p)
	if err != nil {
		r.src.failed(ctx, key, r.target, err)
		return
	}
	out.Total = uint64(time.Since(start).Microseconds())
	p.fill(&out)
	r.src.responded(key, r.target, out)
}

// ask returns the evaluated response, without its times.
func (r *resolver) ask(ctx context.Context, p *phases) (probemsg.Response, error) {
	out := probemsg.Response{Outcome: probemsg.BadResponse, RCode: probemsg.ParseError, Size: probemsg.NoSize}
	q := &r.src.cfg.Query
	conn, err := r.connect(ctx)
	if err != nil {
		return out, err
	}
	defer conn.Close()
	// interrupts a pending read or write
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	stream := conn
	if q.Transport == TLS {
		p.handshake.start()
		secure := tls.Client(conn, r.tls())
		if err := secure.HandshakeContext(ctx); err != nil {
			return out, err
		}
		p.handshake.stop()
		stream, out.Expiry = secure, expiry(secure.ConnectionState())
	}
	p.first.start()
	msg, err := q.exchange(stream)
	if err != nil {
		return out, err
	}
	p.first.stop()
	// over UDP a truncated response counts as a response
	if cut := msg.Truncated() && q.Transport != UDP; q.answers(msg) && !cut {
		out.Outcome, out.RCode = worth(msg)
	}
	return out, nil
}

func (r *resolver) connect(ctx context.Context) (net.Conn, error) {
	protocol, port := "tcp", uint16(53)
	switch r.src.cfg.Query.Transport {
	case UDP:
		protocol = "udp"
	case TLS:
		port = 853
	}
	port = cmp.Or(r.target.Port, port)
	d := net.Dialer{Resolver: r.src.cfg.Resolver}
	return d.DialContext(ctx, network(protocol, r.target.Version), net.JoinHostPort(r.target.Host, strconv.Itoa(int(port))))
}

// tls returns the TLS configuration for the target.
func (r *resolver) tls() *tls.Config {
	cfg := r.src.cfg.TLS.Clone()
	cfg.ServerName = cmp.Or(cfg.ServerName, r.target.Host)
	return cfg
}

// exchange sends the query and returns the response with its ID. It ignores other responses.
func (q *Query) exchange(conn net.Conn) (dnsmsg.Message, error) {
	var id [2]byte
	_, _ = rand.Read(id[:]) // never fails
	frame, err := q.appendTo(make([]byte, 2), binary.BigEndian.Uint16(id[:]))
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint16(frame, uint16(len(frame)-2))
	receive := receiveFrame
	if q.Transport == UDP {
		frame, receive = frame[2:], receiveDatagram
	}
	if _, err := conn.Write(frame); err != nil {
		return nil, err
	}
	buf := make([]byte, maxAnswer)
	for {
		n, err := receive(conn, buf)
		if err != nil {
			return nil, err
		}
		if msg, err := dnsmsg.Parse(buf[:n]); err == nil && msg.Response() && msg.ID() == binary.BigEndian.Uint16(id[:]) {
			return msg, nil
		}
	}
}

func receiveDatagram(r io.Reader, buf []byte) (int, error) { return r.Read(buf) }

// receiveFrame reads a message that follows its length (RFC 1035 section 4.2.2).
func receiveFrame(r io.Reader, buf []byte) (int, error) {
	if _, err := io.ReadFull(r, buf[:2]); err != nil {
		return 0, err
	}
	return io.ReadFull(r, buf[:binary.BigEndian.Uint16(buf)])
}

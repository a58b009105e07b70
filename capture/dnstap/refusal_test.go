package dnstap_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/dnstap"
	"visor/decode"
	"visor/internal/certtest"
	"visor/internal/packettest"
	"visor/internal/wait"
)

// logBuffer stores log lines.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// lines returns the lines that contain text.
func (l *logBuffer) lines(text string) (out []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.b.String()) {
		if strings.Contains(line, text) {
			out = append(out, line)
		}
	}
	return out
}

// listenTCP returns a Listener on a free port, and its log.
func listenTCP(t testing.TB, cfg dnstap.Config) (*dnstap.Listener, *logBuffer) {
	log := new(logBuffer)
	cfg.Network, cfg.Address, cfg.Logger = "tcp", "127.0.0.1:0", slog.New(slog.NewTextHandler(log, nil))
	return listen(t, cfg), log
}

// reasons returns the reasons of src as "text: count", sorted.
func reasons(src capture.Source) (out []string) {
	for _, r := range capture.ReasonsOf(src) {
		out = append(out, fmt.Sprintf("%s: %d", r.Text, r.Count))
	}
	slices.Sort(out)
	return out
}

// clientHello returns the first message of a TLS client.
func clientHello(t testing.TB) []byte {
	here, there := net.Pipe()
	go tls.Client(here, &tls.Config{InsecureSkipVerify: true}).Handshake()
	hello := make([]byte, 64)
	_, err := io.ReadFull(there, hello)
	require.NoError(t, err)
	there.Close()
	return hello
}

// TestTurnedAway has clients that use another protocol, three of each. Each must cause a count with
// reason and address, and one line in the log.
func TestTurnedAway(t *testing.T) {
	started := control(begin, contentType)
	protobuf := append([]byte{0, 92, 8, 1, 0x12, 16}, make([]byte, 88)...)
	for _, tt := range []struct {
		name, reason string
		sends        []byte
	}{
		{"TLS", "TLS, on a socket without TLS", clientHello(t)},
		{"PowerDNS", "PowerDNS protobuf, not dnstap", protobuf},
		{"HTTP", "HTTP, not dnstap", []byte("POST /dnstap HTTP/1.1\r\nHost: a\r\n\r\n")},
		{"a DNS message over TCP", "not Frame Streams: a control frame does not come first", packettest.Stream(packettest.Query(1, "example.com", 1))},
		{"another content", `stream does not carry "protobuf:dnstap.Dnstap"`, control(ready, "protobuf:other")},
		{"oversized frame", "frame is longer than 1 MiB", append(started[:len(started):len(started)], 0, 16, 0, 1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, log := listenTCP(t, dnstap.Config{})
			for range 3 {
				conn := dial(t, l)
				send(t, conn, tt.sends)
				requireHungUp(t, conn)
			}
			wait.Until(t, func() bool { return l.Stats().Violated == 3 })
			want := "dnstap client turned away: " + tt.reason + ", from 127.0.0.1: 3"
			wait.Until(t, func() bool { return slices.Equal([]string{want}, reasons(l)) }, func() string { return fmt.Sprint(reasons(l)) })
			lines := log.lines("client turned away")
			require.Len(t, lines, 1)
			require.Contains(t, lines[0], "client=127.0.0.1")
			require.Contains(t, strings.ReplaceAll(lines[0], `\"`, `"`), tt.reason)
		})
	}
}

// TestTurnedAwayByTLS has clients without TLS, and clients without a certificate where one is
// required.
func TestTurnedAwayByTLS(t *testing.T) {
	server, client, stranger := certtest.Sign(t, "server", nil), certtest.Sign(t, "client", nil), certtest.Sign(t, "stranger", nil)
	l, _ := listenTCP(t, dnstap.Config{TLS: &tls.Config{
		Certificates: []tls.Certificate{server.TLS()}, ClientCAs: client.Pool(), ClientAuth: tls.RequireAndVerifyClientCert,
	}})
	plain := dial(t, l)
	send(t, plain, file(1))
	requireHungUp(t, plain)
	foreign := stranger.TLS()
	for _, cert := range []*tls.Certificate{{}, &foreign} {
		conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{
			RootCAs:              server.Pool(),
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil },
		})
		if err == nil { // with TLS 1.3 the client sees the error later
			_, err = io.Copy(io.Discard, conn)
			conn.Close()
		}
		require.Error(t, err)
	}
	good, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: server.Pool(), Certificates: []tls.Certificate{client.TLS()}})
	require.NoError(t, err)
	defer good.Close()
	send(t, good, file(10))
	requireMessages(t, 0, take(t, l, 10))
	wait.Until(t, func() bool { return len(reasons(l)) == 3 })
	require.Equal(t, []string{
		"dnstap client turned away: TLS certificate is not accepted, from 127.0.0.1: 1",
		"dnstap client turned away: no TLS, on a socket with TLS, from 127.0.0.1: 1",
		"dnstap client turned away: tls: client didn't provide a certificate, from 127.0.0.1: 1",
	}, reasons(l))
}

// TestReasonsAreBounded turns clients away from many addresses.
func TestReasonsAreBounded(t *testing.T) {
	hosts, err := decode.ParseNetSet("192.0.2.0/24")
	require.NoError(t, err)
	l, log := listenTCP(t, dnstap.Config{Allow: hosts})
	const clients = 200
	for i := range clients {
		from := net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(i))}
		conn, err := (&net.Dialer{LocalAddr: &from}).Dial("tcp", l.Addr().String())
		if err != nil {
			t.Skipf("skipped: the loopback interface has one address: %v", err)
		}
		requireHungUp(t, conn)
		conn.Close()
	}
	wait.Until(t, func() bool { return l.Stats().Refused == clients })
	total := uint64(0)
	for _, r := range l.Reasons() {
		total += r.Count
	}
	require.EqualValues(t, clients, total)
	require.Len(t, l.Reasons(), 65)
	require.Contains(t, reasons(l), "dnstap client turned away: address is not allowed: 136")
	require.Len(t, log.lines("turned away"), 65)
	require.Zero(t, l.Stats().Clients)
}

// TestAllow accepts clients of one network.
func TestAllow(t *testing.T) {
	hosts, err := decode.ParseNetSet("127.0.0.0/8")
	require.NoError(t, err)
	l, _ := listenTCP(t, dnstap.Config{Allow: hosts})
	send(t, dial(t, l), file(3))
	requireMessages(t, 0, take(t, l, 3))
}

// TestIdleClientsMakeRoom fills a listener with idle clients: some have not begun, some have begun
// and wait. A server that sends frames gets a place, and an active client keeps its place.
func TestIdleClientsMakeRoom(t *testing.T) {
	t.Parallel() // it waits
	const places = 32
	l, _ := listenTCP(t, dnstap.Config{Clients: places, PerAddress: places, Timeout: 1500 * time.Millisecond})
	busy := dial(t, l)
	send(t, busy, control(begin, contentType), data(message(0)))
	requireMessages(t, 0, take(t, l, 1))
	for i := 1; i < places; i++ {
		conn := dial(t, l)
		if i%2 == 0 {
			send(t, conn, control(begin, contentType))
		}
	}
	wait.Until(t, func() bool { return l.Stats().Clients == places })
	for i := 1; i <= 3; i++ {
		wait.Until(t, func() bool { // until an idle client has been idle for long enough
			send(t, busy, data(message(0)))
			take(t, l, 1)
			conn, err := net.Dial("tcp", l.Addr().String())
			require.NoError(t, err)
			defer conn.Close()
			if _, err := conn.Write(append(control(ready, contentType), file(1)...)); err != nil {
				return false
			}
			answer, _ := io.ReadAll(conn)
			if len(answer) == 0 {
				return false
			}
			take(t, l, 1)
			return true
		})
	}
	send(t, busy, data(message(7)))
	requireMessages(t, 7, take(t, l, 1))
}

// TestPerAddress checks that one address cannot take all places.
func TestPerAddress(t *testing.T) {
	l, _ := listenTCP(t, dnstap.Config{Clients: 100, PerAddress: 2})
	for range 2 {
		send(t, dial(t, l), control(begin, contentType), data(message(0)))
		take(t, l, 1)
	}
	requireHungUp(t, dial(t, l))
	require.Equal(t, []string{"dnstap client turned away: too many clients of one address, from 127.0.0.1: 1"}, reasons(l))
	other, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).Dial("tcp", l.Addr().String())
	if err != nil {
		t.Skipf("skipped: the loopback interface has one address: %v", err)
	}
	defer other.Close()
	send(t, other, file(1))
	requireMessages(t, 0, take(t, l, 1))
}

// TestIdleLimit disconnects a client that waits too long between frames.
func TestIdleLimit(t *testing.T) {
	l, _ := listenTCP(t, dnstap.Config{Idle: 50 * time.Millisecond})
	conn := dial(t, l)
	send(t, conn, control(begin, contentType), data(message(0)))
	requireHungUp(t, conn)
	wait.Until(t, func() bool { return len(reasons(l)) > 0 })
	require.Equal(t, []string{"dnstap client turned away: idle for too long, from 127.0.0.1: 1"}, reasons(l))
}

// TestGiantFrames has clients that send frames of 1 MiB, and clients that stall within one. Memory
// stays within the budget and is released.
func TestGiantFrames(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out floods")
	}
	const clients, budget = 300, 4 << 20
	l := listen(t, dnstap.Config{Memory: budget, Timeout: time.Minute})
	giant := append(control(begin, contentType), data(make([]byte, 1<<20))...)
	before := heap()
	var wg sync.WaitGroup
	for i := range clients {
		conn := dial(t, l)
		require.NoError(t, conn.SetDeadline(time.Now().Add(2*time.Minute)))
		n := len(giant)
		if i < 3 {
			n /= 2 // never completed: three of the four frames that fit
		}
		wg.Go(func() { _, _ = conn.Write(giant[:n]) })
	}
	seen, most := 0, uint64(0)
	var b capture.Batch
	for seen < clients-3 {
		require.NoError(t, l.ReadBatch(&b))
		seen += len(b.Frames)
		if seen%32 == 0 {
			most = max(most, heap()-before)
		}
	}
	wg.Wait()
	require.Less(t, most, uint64(64<<20), "some 20 batches of a frame each, the budget, 24 KiB a client, and what is collected next")
	require.NoError(t, l.Close())
	require.ErrorIs(t, l.ReadBatch(&b), capture.ErrClosed)
	require.Less(t, int64(heap())-int64(before), int64(24<<20))
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestAddressesInV6 counts the clients of one /64 together. It needs no network.
func TestAddressesInV6(t *testing.T) {
	for addr, want := range map[string]string{
		"[2001:db8::1]:5": "2001:db8::", "[2001:db8::ffff:1]:5": "2001:db8::", "192.0.2.7:1": "192.0.2.7", "[::ffff:192.0.2.7]:1": "192.0.2.7",
	} {
		require.Equal(t, netip.MustParseAddr(want), dnstap.Network(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr))))
	}
	require.False(t, dnstap.Network(&net.UnixAddr{}).IsValid())
}

// failing is a socket whose next Accept fails because the process has no free file descriptor.
type failing struct {
	net.Listener
	left int
}

func (f *failing) Accept() (net.Conn, error) {
	if f.left > 0 {
		f.left--
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	}
	return f.Listener.Accept()
}

// TestAcceptFails checks that a client that cannot be accepted causes a line in the log and a
// reason. Later clients are served.
func TestAcceptFails(t *testing.T) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	log := &logBuffer{}
	l, err := dnstap.Listen(dnstap.Config{Socket: &failing{socket, 1}, Logger: slog.New(slog.NewTextHandler(log, nil))})
	require.NoError(t, err)
	defer l.Close()
	wait.Until(t, func() bool { return len(log.lines("not accepted")) == 1 })
	require.Len(t, reasons(l), 1)
	require.Contains(t, reasons(l)[0], "not accepted")
	conn := dial(t, l)
	send(t, conn, control(begin, "protobuf:other"))
	requireHungUp(t, conn)
}

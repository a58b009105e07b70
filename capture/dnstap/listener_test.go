package dnstap_test

import (
	crand "crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	godnstap "github.com/dnstap/golang-dnstap"
	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/dnstap"
	"visor/internal/certtest"
	"visor/internal/wait"
)

// listen returns a Listener with cfg on a temporary socket and closes it at the end of the test.
func listen(t testing.TB, cfg dnstap.Config) *dnstap.Listener {
	if cfg.Network == "" {
		cfg.Network, cfg.Address = "unix", filepath.Join(t.TempDir(), "s")
	}
	l, err := dnstap.Listen(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

// dial connects to l.
func dial(t testing.TB, l *dnstap.Listener) net.Conn {
	conn, err := net.Dial(l.Addr().Network(), l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(2*time.Minute)))
	return conn
}

// send writes frames to conn.
func send(t testing.TB, conn net.Conn, frames ...[]byte) {
	for _, b := range frames {
		_, err := conn.Write(b)
		require.NoError(t, err)
	}
}

// expect reads a control frame from conn.
func expect(t testing.TB, conn net.Conn, want []byte) {
	got := make([]byte, len(want))
	_, err := io.ReadFull(conn, got)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// take reads n frames from l.
func take(t testing.TB, l capture.Source, n int) (frames []capture.Frame) {
	var b capture.Batch
	for len(frames) < n {
		require.NoError(t, l.ReadBatch(&b))
		for _, f := range b.Frames {
			f.Data = append([]byte(nil), f.Data...)
			frames = append(frames, f)
		}
	}
	require.Len(t, frames, n)
	return frames
}

// requireHungUp checks that the peer closes conn.
func requireHungUp(t testing.TB, conn net.Conn) {
	_, err := io.Copy(io.Discard, conn)
	var timeout net.Error
	if err, ok := err.(net.Error); ok && err.Timeout() {
		require.NotErrorAs(t, err, &timeout, "the connection is open")
	}
}

func TestUnidirectional(t *testing.T) {
	l := listen(t, dnstap.Config{})
	conn := dial(t, l)
	send(t, conn, file(1000))
	requireMessages(t, 0, take(t, l, 1000))
	requireHungUp(t, conn)
	require.Equal(t, dnstap.Stats{Clients: 1, Frames: 1000}, l.Stats())
}

func TestBidirectional(t *testing.T) {
	l := listen(t, dnstap.Config{Network: "tcp", Address: "127.0.0.1:0"})
	conn := dial(t, l)
	send(t, conn, control(ready, contentType))
	expect(t, conn, control(accept, contentType))
	send(t, conn, file(10))
	expect(t, conn, control(finish, ""))
	requireMessages(t, 0, take(t, l, 10))
}

// TestBytesOneByOne sends every header and frame byte by byte.
func TestBytesOneByOne(t *testing.T) {
	l := listen(t, dnstap.Config{})
	conn := dial(t, l)
	stream := append(control(ready, contentType), file(5)...)
	for i := range stream {
		send(t, conn, stream[i:i+1])
	}
	requireMessages(t, 0, take(t, l, 5))
	expect(t, conn, append(control(accept, contentType), control(finish, "")...))
}

// TestMessagesComeAtOnce checks that a message does not wait for a full batch.
func TestMessagesComeAtOnce(t *testing.T) {
	l := listen(t, dnstap.Config{})
	conn := dial(t, l)
	send(t, conn, control(begin, contentType))
	for i := range 3 {
		send(t, conn, data(message(i)))
		requireMessages(t, i, take(t, l, 1))
	}
}

func TestViolations(t *testing.T) {
	start := control(begin, contentType)
	for name, stream := range map[string][]byte{
		"data before the start":   data(message(0)),
		"http":                    []byte("GET / HTTP/1.0\r\n\r\n"),
		"another content":         control(ready, "protobuf:other"),
		"two readies":             append(control(ready, contentType), control(ready, contentType)...),
		"accept":                  control(accept, contentType),
		"frame of 4 GiB":          append(start[:len(start):len(start)], 0xFF, 0xFF, 0xFF, 0xFF),
		"control frame of 4 GiB":  {0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF},
		"control frame of 0 byte": {0, 0, 0, 0, 0, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := listen(t, dnstap.Config{})
			conn := dial(t, l)
			send(t, conn, stream)
			requireHungUp(t, conn)
			require.NoError(t, l.Close()) // waits for the client's goroutine
			require.Equal(t, uint64(1), l.Stats().Violated)
			require.Zero(t, l.Stats().Frames)
		})
	}
}

// TestSlowClients checks that slow clients do not delay others: one sends nothing, one stops within
// the handshake, one within a frame. A client may wait between frames.
func TestSlowClients(t *testing.T) {
	t.Parallel() // it waits
	l := listen(t, dnstap.Config{Timeout: time.Second})
	idle := dial(t, l)
	send(t, idle, control(begin, contentType), data(message(0)))
	take(t, l, 1)
	var slow []net.Conn
	for _, begun := range [][]byte{nil, {0, 0}, control(ready, contentType)[:20], append(control(begin, contentType), data(message(1))[:9]...)} {
		conn := dial(t, l)
		send(t, conn, begun)
		slow = append(slow, conn)
	}
	good := dial(t, l)
	send(t, good, file(100))
	take(t, l, 100)
	for _, conn := range slow {
		requireHungUp(t, conn)
	}
	send(t, idle, data(message(2)))
	requireMessages(t, 2, take(t, l, 1))
	wait.Until(t, func() bool { return l.Stats().Violated == 4 })
}

func TestTooManyClients(t *testing.T) {
	l := listen(t, dnstap.Config{Clients: 2})
	for range 2 {
		send(t, dial(t, l), control(begin, contentType), data(message(0)))
		take(t, l, 1)
	}
	requireHungUp(t, dial(t, l))
	require.Equal(t, uint64(1), l.Stats().Refused)
}

// TestManyClients has a thousand clients that connect at random times. A third violate the
// protocol, and a third disconnect in the middle of a frame. No frame of the others is lost, and no
// goroutine remains.
func TestManyClients(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out a thousand clients")
	}
	const clients, messages = 1000, 20
	before := runtime.NumGoroutine()
	l := listen(t, dnstap.Config{Clients: clients})
	counted := make(chan int)
	go func() {
		good := 0
		var b capture.Batch
		for l.ReadBatch(&b) == nil {
			for _, f := range b.Frames {
				if string(f.Data) != "unfinished" {
					good++
				}
			}
		}
		counted <- good
	}()
	var wg sync.WaitGroup
	slots := make(chan struct{}, 100)
	want := 0
	for i := range clients {
		if i%3 == 0 {
			want += messages
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			conn, err := net.Dial("unix", l.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			time.Sleep(time.Duration(rand.IntN(5)) * time.Millisecond)
			switch i % 3 {
			case 0:
				_, _ = conn.Write(append(control(ready, contentType), file(messages)...))
				_, _ = io.Copy(io.Discard, conn) // until FINISH
			case 1:
				garbage := make([]byte, 100)
				_, _ = crand.Read(garbage)
				_, _ = conn.Write(garbage)
			case 2:
				stream := append(control(begin, contentType), data([]byte("unfinished"))...)
				_, _ = conn.Write(append(stream, data(message(0))[:7]...))
			}
		})
	}
	wg.Wait()
	require.NoError(t, l.Close())
	require.Equal(t, want, <-counted)
	wait.Until(t, func() bool { return runtime.NumGoroutine() <= before })
}

// TestBackPressure reads nothing until the client has to wait. Then all messages arrive.
func TestBackPressure(t *testing.T) {
	const n = 50_000
	l := listen(t, dnstap.Config{})
	conn := dial(t, l)
	done := make(chan error, 1)
	go func() {
		_, err := conn.Write(file(n))
		done <- err
	}()
	select {
	case <-done:
		t.Fatal("five megabytes went somewhere")
	case <-time.After(200 * time.Millisecond):
	}
	requireMessages(t, 0, take(t, l, n))
	require.NoError(t, <-done)
}

// TestClose checks that ReadBatch returns the frames read before Close, then ErrClosed, even if it
// was waiting. The socket is removed.
func TestClose(t *testing.T) {
	l := listen(t, dnstap.Config{})
	conn := dial(t, l)
	send(t, conn, file(10))
	requireHungUp(t, conn)
	require.NoError(t, l.Close())
	require.NoError(t, l.Close(), "twice")
	requireMessages(t, 0, take(t, l, 10))
	require.ErrorIs(t, l.ReadBatch(&capture.Batch{}), capture.ErrClosed)
	_, err := os.Stat(l.Addr().String())
	require.ErrorIs(t, err, os.ErrNotExist)

	l = listen(t, dnstap.Config{})
	go func() {
		time.Sleep(10 * time.Millisecond)
		l.Close()
	}()
	require.ErrorIs(t, l.ReadBatch(&capture.Batch{}), capture.ErrClosed)
}

func TestStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	_, err = dnstap.Listen(dnstap.Config{Network: "unix", Address: path})
	require.ErrorContains(t, err, "something listens on it")
	old.SetUnlinkOnClose(false)
	require.NoError(t, old.Close())

	l := listen(t, dnstap.Config{Network: "unix", Address: path, Mode: 0o660})
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o660), info.Mode().Perm())
	require.NoError(t, l.Close())

	require.NoError(t, os.WriteFile(path, []byte("precious"), 0o600))
	_, err = dnstap.Listen(dnstap.Config{Network: "unix", Address: path})
	require.Error(t, err)
	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "precious", string(kept))
}

func TestListenErrors(t *testing.T) {
	for want, cfg := range map[string]dnstap.Config{
		`network "udp": must be unix or tcp`:   {Network: "udp", Address: "127.0.0.1:0"},
		"TLS is for tcp":                       {Network: "unix", Address: "s", TLS: &tls.Config{}},
		"may be negative":                      {Network: "tcp", Address: "127.0.0.1:0", Timeout: -1},
		"folder no/such/folder does not exist": {Network: "unix", Address: "no/such/folder/s"},
	} {
		_, err := dnstap.Listen(cfg)
		require.ErrorContains(t, err, want)
	}
}

func TestTLS(t *testing.T) {
	server := certtest.Sign(t, "server", nil)
	l := listen(t, dnstap.Config{Network: "tcp", Address: "127.0.0.1:0", TLS: &tls.Config{Certificates: []tls.Certificate{server.TLS()}}})
	conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: server.Pool()})
	require.NoError(t, err)
	defer conn.Close()
	send(t, conn, append(control(ready, contentType), file(100)...))
	requireMessages(t, 0, take(t, l, 100))

	plain := dial(t, l)
	send(t, plain, file(1))
	requireHungUp(t, plain)
}

// TestGolangDnstap uses the writer of golang-dnstap, as most Go programs do.
func TestGolangDnstap(t *testing.T) {
	l := listen(t, dnstap.Config{})
	addr, err := net.ResolveUnixAddr("unix", l.Addr().String())
	require.NoError(t, err)
	out, err := godnstap.NewFrameStreamSockOutput(addr)
	require.NoError(t, err)
	go out.RunOutputLoop()
	for i := range 300 {
		out.GetOutputChannel() <- message(i)
	}
	out.Close()
	requireMessages(t, 0, take(t, l, 300))
}

func TestOutput(t *testing.T) {
	out := dnstap.NewOutput()
	go out.RunOutputLoop()
	for i := range 1000 {
		out.GetOutputChannel() <- message(i)
	}
	out.Close()
	out.Close()
	frames, err := readAll(t, out.Source())
	require.ErrorIs(t, err, io.EOF)
	require.Len(t, frames, 1000)
	requireMessages(t, 0, frames)
}

// TestOutputWithoutPipeline checks that an Output without a reader does not block the writer.
func TestOutputWithoutPipeline(t *testing.T) {
	out := dnstap.NewOutput()
	done := make(chan struct{})
	go func() { out.RunOutputLoop(); close(done) }()
	require.NoError(t, out.Source().Close())
	for i := range 10_000 {
		out.GetOutputChannel() <- message(i)
	}
	out.Close()
	<-done
	require.Equal(t, uint64(10_000), capture.DropsOf(out.Source()))
	require.ErrorIs(t, out.Source().ReadBatch(&capture.Batch{}), capture.ErrClosed)
}

func Example() {
	dir, err := os.MkdirTemp("", "dnstap")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	src, err := dnstap.Listen(dnstap.Config{Network: "unix", Address: filepath.Join(dir, "dnstap.sock")})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer src.Close()
	client, err := net.Dial("unix", src.Addr().String()) // in a real setup: a DNS server
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	client.Write(file(2))
	var b capture.Batch // in a real program a handler.Pipeline reads src
	if err := src.ReadBatch(&b); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(time.Unix(0, b.Frames[0].TimeNS).UTC(), len(b.Frames[0].Data), "bytes")
	// Output: 2026-01-01 00:00:00 +0000 UTC 60 bytes
}

// BenchmarkListener has one client that sends as fast as possible.
func BenchmarkListener(b *testing.B) {
	l := listen(b, dnstap.Config{})
	conn, err := net.Dial("unix", l.Addr().String())
	require.NoError(b, err)
	defer conn.Close()
	send(b, conn, control(begin, contentType))
	var frames []byte
	for i := range 1000 {
		frames = append(frames, data(message(i))...)
	}
	go func() {
		for {
			if _, err := conn.Write(frames); err != nil {
				return
			}
		}
	}()
	var batch capture.Batch
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		if l.ReadBatch(&batch) != nil {
			b.Fatal("closed")
		}
		n += len(batch.Frames)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/frame")
	b.ReportMetric(0, "ns/op")
}

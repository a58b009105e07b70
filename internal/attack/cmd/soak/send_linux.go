package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"time"

	"visor/capture"
	"visor/internal/attack"
	"visor/internal/packettest"
)

// wire is an interface to send frames on. It is safe for concurrent use.
type wire struct {
	mu sync.Mutex
	fd int
}

func openWire(name string) (*wire, error) {
	iface, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW, 0)
	if err != nil {
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrLinklayer{Ifindex: iface.Index}); err != nil {
		return nil, fmt.Errorf("bind to %s: %w", name, err)
	}
	return &wire{fd: fd}, nil
}

// send sends a frame, and waits while the interface is full. It reports whether the frame went out.
func (w *wire) send(frame []byte) bool {
	for range 200 {
		w.mu.Lock()
		_, err := syscall.Write(w.fd, frame)
		w.mu.Unlock()
		if err == nil {
			return true
		}
		if err != syscall.ENOBUFS {
			return false
		}
		time.Sleep(100 * time.Microsecond)
	}
	return false
}

// pace calls step at an average of rate times per second, in intervals of 10 ms. It skips calls
// that it could not make in time.
func pace(ctx context.Context, rate int, step func()) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	left := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for left += rate; left >= 100; left -= 100 {
			step()
		}
	}
}

// ordinary sends queries and their replies: 20 % for ten heavy names, the others for 5,000 names.
// One query in twenty is not answered.
func ordinary(ctx context.Context, w *wire, truth *truth, rate int) {
	rnd := rand.New(rand.NewPCG(7, 7))
	id := uint16(0)
	const server = "198.51.100.1:53"
	pace(ctx, rate/2, func() {
		name := fmt.Sprintf("n%d.ordinary.example", rnd.IntN(5000))
		if rnd.IntN(5) == 0 {
			name = fmt.Sprintf("heavy%d.ordinary.example", rnd.IntN(heavies))
		}
		id++
		client := fmt.Sprintf("192.0.2.%d:%d", 1+rnd.IntN(250), 1024+int(id)%60_000)
		q := packettest.Query(id, name, 1)
		if w.send(packettest.UDP(0, client, server, q).Data) {
			truth.query(name)
		}
		if rnd.IntN(20) > 0 && w.send(packettest.UDP(0, server, client, packettest.Reply(q, 0, 1)).Data) {
			truth.reply()
		}
	})
}

// hostile sends all attacks in turn, a tenth of a second each.
func hostile(ctx context.Context, w *wire, rate int) {
	var sources []*attack.Source
	for _, kind := range attack.Kinds() {
		if kind.Name != "ordinary" {
			sources = append(sources, kind.Source(-1))
		}
	}
	var b capture.Batch
	sent, turn, i := 0, 0, 0
	pace(ctx, rate, func() {
		if i == len(b.Frames) {
			if sent > rate/10 {
				sent, turn = 0, (turn+1)%len(sources)
			}
			_ = sources[turn].ReadBatch(&b) // a source without end has no error
			sent, i = sent+len(b.Frames), 0
		}
		w.send(b.Frames[i].Data)
		i++
	})
}

// exporters sends the datagrams of the flow attacks to the agent's collector.
func exporters(ctx context.Context, address string, rate int) {
	conn, err := net.Dial("udp", address)
	if err != nil {
		return
	}
	defer conn.Close()
	const headers = 14 + 20 + 8
	var sources []*attack.Source
	for _, name := range []string{"interfaces", "templates"} {
		kind, _ := attack.Named(name)
		sources = append(sources, kind.Source(-1))
	}
	var b capture.Batch
	i, turn := 0, 0
	pace(ctx, rate, func() {
		if i == len(b.Frames) {
			turn = (turn + 1) % len(sources)
			_ = sources[turn].ReadBatch(&b)
			i = 0
		}
		_, _ = conn.Write(b.Frames[i].Data[headers:])
		i++
	})
}

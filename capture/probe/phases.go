package probe

import (
	"crypto/tls"
	"net/http/httptrace"
	"sync"
	"time"

	"visor/decode/probemsg"
)

// phases measures the phases of an HTTP request, over all redirects. Connection attempts may
// continue after the request has ended, so a lock is needed.
type phases struct {
	mu        sync.Mutex
	lookup    stopwatch
	connect   stopwatch
	handshake stopwatch
	first     stopwatch
}

// stopwatch sums up spans of time. A span runs from the first start to the first stop after it.
type stopwatch struct {
	since time.Time
	sum   time.Duration
}

func (w *stopwatch) start() {
	if w.since.IsZero() {
		w.since = time.Now()
	}
}

func (w *stopwatch) stop() {
	if !w.since.IsZero() {
		w.sum += time.Since(w.since)
		w.since = time.Time{}
	}
}

func (w *stopwatch) micros() uint64 { return uint64(w.sum.Microseconds()) }

// trace returns the callbacks that measure the phases. If connections are attempted in parallel,
// the first successful one counts.
func (p *phases) trace() *httptrace.ClientTrace {
	do := func(f func()) {
		p.mu.Lock()
		defer p.mu.Unlock()
		f()
	}
	return &httptrace.ClientTrace{
		DNSStart:          func(httptrace.DNSStartInfo) { do(p.lookup.start) },
		DNSDone:           func(httptrace.DNSDoneInfo) { do(p.lookup.stop) },
		ConnectStart:      func(string, string) { do(p.connect.start) },
		TLSHandshakeStart: func() { do(p.handshake.start) },
		TLSHandshakeDone:  func(tls.ConnectionState, error) { do(p.handshake.stop) },
		ConnectDone: func(_, _ string, err error) {
			if err == nil {
				do(p.connect.stop)
			}
		},
		GotConn:              func(httptrace.GotConnInfo) { do(p.first.start) },
		GotFirstResponseByte: func() { do(p.first.stop) },
	}
}

// fill sets the phases of a response.
func (p *phases) fill(r *probemsg.Response) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.Lookup, r.Connect, r.TLS, r.First = p.lookup.micros(), p.connect.micros(), p.handshake.micros(), p.first.micros()
}

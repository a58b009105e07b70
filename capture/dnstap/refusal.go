package dnstap

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"visor/capture"
)

// turnedAway counts and logs the clients that were turned away or disconnected. It is safe for
// concurrent use. The zero turnedAway with a logger is ready to use.
type turnedAway struct {
	log *slog.Logger

	mu   sync.Mutex
	seen map[refusal]*refused
}

// refusal is a cause for turning clients away, and their address. The address is invalid for a Unix
// socket and for a sum over several addresses.
type refusal struct {
	cause string
	from  netip.Addr
}

type refused struct {
	count  uint64
	quiet  uint64 // clients counted since the last line of the log
	logged time.Time
}

const (
	maxRefusals = 64          // entries by address; further addresses are counted together
	logEvery    = time.Minute // minimum interval between log lines of an entry
)

// note counts a client. It logs the client unless the same entry was logged within the last minute.
func (t *turnedAway) note(cause string, from netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.at(refusal{cause, from})
	r.count++
	if now := time.Now(); r.logged.IsZero() || now.Sub(r.logged) >= logEvery {
		attrs := []any{"reason", cause}
		if from.IsValid() {
			attrs = append(attrs, "client", from)
		}
		if r.quiet > 0 {
			attrs = append(attrs, "times", r.quiet+1)
		}
		t.log.Warn("dnstap: client turned away", attrs...)
		r.logged, r.quiet = now, 0
		return
	}
	r.quiet++
}

// at returns the counts of a refusal. Beyond the limit it counts clients by cause alone, and beyond
// twice the limit all together.
func (t *turnedAway) at(key refusal) *refused {
	if t.seen == nil {
		t.seen = make(map[refusal]*refused)
	}
	anywhere := refusal{cause: key.cause}
	if t.seen[key] == nil && len(t.seen) >= maxRefusals {
		key = anywhere
	}
	if t.seen[key] == nil && len(t.seen) >= 2*maxRefusals {
		key = refusal{cause: "other reasons"}
	}
	r := t.seen[key]
	if r == nil {
		r = new(refused)
		t.seen[key] = r
	}
	return r
}

func (t *turnedAway) reasons() []capture.Reason {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]capture.Reason, 0, len(t.seen))
	for key, r := range t.seen {
		text := "dnstap client turned away: " + key.cause
		if key.from.IsValid() {
			text += ", from " + key.from.String()
		}
		out = append(out, capture.Reason{Text: text, Count: r.count})
	}
	return out
}

// cause returns the text for the error that ended the stream.
func (r *reader) cause(err error) string {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return r.slow()
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "connection ends within a frame"
	}
	if _, plain := errors.AsType[tls.RecordHeaderError](err); plain {
		return "no TLS, on a socket with TLS"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "TLS certificate is not accepted" // the error contains names chosen by the client
	}
	if r.stream.phase == fresh {
		if spoken := language(r.first[:]); spoken != "" {
			return spoken
		}
	}
	return reasonOf(err)
}

// reasonOf returns the text of an error without the addresses that errors of connections contain.
func reasonOf(err error) string {
	if broken, ok := errors.AsType[*net.OpError](err); ok {
		err = broken.Err
	}
	return err.Error()
}

// slow returns the text for a client that missed its deadline.
func (r *reader) slow() string {
	switch {
	case r.stream.phase != started:
		return "handshake not completed in time"
	case r.in.Buffered() > 0 || len(r.large) > 0:
		return "frame not completed in time"
	}
	return "idle for too long"
}

// language returns the name of the protocol of a stream that begins with head. It recognizes
// protocols that clients are often configured to send by mistake.
func language(head []byte) string {
	switch {
	case head[0] == 0x16 && head[1] == 3:
		return "TLS, on a socket without TLS"
	// two bytes of length, then the type of the message
	case head[2] == 8 && head[3] > 0 && head[3] < 16 && (head[0] > 0 || head[1] > 0):
		return "PowerDNS protobuf, not dnstap"
	case bytes.Equal(head, []byte("GET ")) || bytes.Equal(head, []byte("POST")) || bytes.Equal(head, []byte("HEAD")):
		return "HTTP, not dnstap"
	}
	return ""
}

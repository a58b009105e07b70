package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"visor/decode/probemsg"
)

// limit returns a context that ends at the timeout of a test.
func (s *Source) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.cfg.Timeout < 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, s.cfg.Timeout)
}

// responded reports a test with a response.
func (s *Source) responded(key uint64, t *Target, r probemsg.Response) {
	s.report(s.now(), probemsg.Event{Kind: probemsg.Responded, Key: key, Response: r, Target: []byte(t.Name)})
}

// failed reports a test without a response, start and end together.
func (s *Source) failed(ctx context.Context, key uint64, t *Target, err error) {
	now := s.now()
	if s.tell(now, probemsg.Sent, key, t.Name) {
		s.tell(now, failure(ctx, err), key, t.Name)
	}
}

// failure returns why a test has no response. The deadline of the test decides what is a timeout,
// not timeouts of the system.
func failure(ctx context.Context, err error) probemsg.Kind {
	_, lookup := errors.AsType[*net.DNSError](err)
	deadline, limited := ctx.Deadline()
	switch {
	case limited && !time.Now().Before(deadline):
		return probemsg.TimedOut
	case lookup:
		return probemsg.LookupFailed
	}
	return probemsg.ConnectFailed
}

// expiry returns the earliest expiry of the peer's certificates, in seconds since 1970, or 0
// without certificates.
func expiry(state tls.ConnectionState) uint64 {
	var first time.Time
	for _, cert := range state.PeerCertificates {
		if first.IsZero() || cert.NotAfter.Before(first) {
			first = cert.NotAfter
		}
	}
	return uint64(max(first.Unix(), 0))
}

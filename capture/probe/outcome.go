package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"visor/decode/probemsg"
)

// limit returns a context that ends with the time that a test has.
func (s *Source) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.cfg.Timeout < 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, s.cfg.Timeout)
}

// responded reports a test that brought a response.
func (s *Source) responded(key uint64, t *Target, r probemsg.Response) {
	s.report(s.now(), probemsg.Event{Kind: probemsg.Responded, Key: key, Response: r, Target: []byte(t.Name)})
}

// failed reports a test that brought none. Its beginning is reported with its end.
func (s *Source) failed(ctx context.Context, key uint64, t *Target, err error) {
	now := s.now()
	if s.tell(now, probemsg.Sent, key, t.Name) {
		s.tell(now, failure(ctx, err), key, t.Name)
	}
}

// failure returns why a test brought no response. The test's own time decides what has timed out,
// not that of the system.
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

// expiry returns when the first of the certificates expires that the other end has shown, in
// seconds since 1970; 0 if it has shown none.
func expiry(state tls.ConnectionState) uint64 {
	var first time.Time
	for _, cert := range state.PeerCertificates {
		if first.IsZero() || cert.NotAfter.Before(first) {
			first = cert.NotAfter
		}
	}
	return uint64(max(first.Unix(), 0))
}

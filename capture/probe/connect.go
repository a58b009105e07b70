package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"visor/decode/probemsg"
)

// connectKey returns the key of the n-th connection to a target. It differs from the keys of
// packets.
func connectKey(target int, n uint32) uint64 { return 1<<63 | uint64(target)<<32 | uint64(n) }

// connect opens a connection to a target and closes it.
func (s *Source) connect(ctx context.Context, target int, n uint32) {
	t, key := &s.cfg.Targets[target], connectKey(target, n)
	addr, ok := s.resolve(ctx, t, key)
	if !ok || !s.tell(s.now(), probemsg.Sent, key, t.Name) {
		return
	}
	d := net.Dialer{Timeout: s.cfg.Timeout}
	conn, err := d.DialContext(ctx, "tcp", netip.AddrPortFrom(addr, t.Port).String())
	now := s.now()
	switch {
	case err == nil:
		s.tell(now, probemsg.Received, key, t.Name)
		conn.Close()
	case isTimeout(err):
		s.tell(now, probemsg.TimedOut, key, t.Name)
	default:
		s.tell(now, probemsg.ConnectFailed, key, t.Name)
	}
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

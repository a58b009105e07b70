package filter

import (
	"context"
	"net/netip"

	"visor/decode"
)

// CompileOffline compiles without name servers: every host name is localhost.
func CompileOffline(expr string, link decode.LinkType) (*Program, error) {
	e, err := parse(expr)
	if err != nil {
		return nil, err
	}
	return compile(expr, e, link, func(context.Context, string, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.IPv6Loopback(), netip.MustParseAddr("127.0.0.1")}, nil
	})
}

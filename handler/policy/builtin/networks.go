package builtin

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"visor/decode"
)

// ParseNetworks is [decode.ParseNetSet] with pktvisor's error texts, and the network that was
// probably meant.
func ParseNetworks(list string) (decode.NetSet, error) {
	nets, err := decode.ParseNetSet(list)
	bad, ok := errors.AsType[*decode.NetError](err)
	switch {
	case !ok:
		return nets, err
	case strings.Contains(bad.Addr, ":"):
		return nets, fmt.Errorf("invalid IPv6 address: %s", bad.Addr)
	case bad.Addr != "":
		return nets, fmt.Errorf("invalid IPv4 address: %s", bad.Addr)
	}
	return nets, fmt.Errorf("invalid CIDR: %s%s", bad.Text, suggestion(bad.Text))
}

// suggestion returns how to write an address as a network: alone, or with its neighbours.
func suggestion(item string) string {
	addr, err := netip.ParseAddr(item)
	switch {
	case err != nil || addr.Zone() != "":
		return ""
	case addr.Is4():
		return fmt.Sprintf("; did you mean %s/32 or %s?", addr, netip.PrefixFrom(addr, 24).Masked())
	}
	return fmt.Sprintf("; did you mean %s/128 or %s?", addr, netip.PrefixFrom(addr, 64).Masked())
}

package builtin

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"

	"visor/handler/options"
)

// interfaces returns the names of this machine's interfaces.
func interfaces() (names []string) {
	all, err := net.Interfaces()
	if err != nil {
		return nil // capture returns the error
	}
	for _, i := range all {
		names = append(names, i.Name)
	}
	return names
}

// checkInterface returns an error about an invalid name or address of an interface: pktvisor's
// text, and the nearest name.
func checkInterface(name string) error {
	names := interfaces()
	if _, err := netip.ParseAddr(name); err == nil || name == "auto" || len(names) == 0 || slices.Contains(names, name) {
		return nil
	}
	return unknownInterface(name, names)
}

func unknownInterface(name string, names []string) error {
	//lint:ignore ST1005 it is pktvisor's text
	err := fmt.Errorf("Couldn't find interface by provided name: \"%s\". Available interfaces: %s", name, strings.Join(names, ","))
	if name == "any" {
		err = fmt.Errorf("%w; 'any' does not exist here: make a tap for each interface, and let the policy select them by a tag", err)
	}
	return &options.Problem{Path: []string{"iface", name}, Known: names, Err: err}
}

// warnDown warns about an interface without traffic because it is down. It is captured as soon as
// it is up.
func warnDown(log *slog.Logger, name string) {
	iface, err := net.InterfaceByName(name)
	if log != nil && err == nil && iface.Flags&net.FlagUp == 0 {
		log.Warn(fmt.Sprintf("interface %s is down: it has no traffic until it is up (ip link set %s up)", name, name))
	}
}

// explained adds an alternative to errors of live capture.
func explained(err error) error {
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return fmt.Errorf("%w; it needs Linux. Capture files (pcap_file), dnstap over TCP, flow collectors and the interface 'mock' work here", err)
}

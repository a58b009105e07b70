package filter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/net/bpf"

	"visor/capture/filter/cbpf"
	"visor/decode"
)

// Program is a filter for frames of one link type. It is immutable, and safe for concurrent use.
// It embeds [cbpf.Program] with its methods Match, Instructions and String.
type Program struct {
	cbpf.Program
	tags bool // it tests VLAN tags
}

// Compile compiles a filter for frames of a link type that the package comment lists. An empty
// expression matches every frame. The error for an invalid expression is an [*Error].
//
// Compile looks up names of hosts, which may query a name server, and names of services in
// /etc/services.
func Compile(expr string, link decode.LinkType) (*Program, error) {
	e, err := parse(expr)
	if err != nil {
		return nil, err
	}
	return compile(expr, e, link, net.DefaultResolver.LookupNetIP)
}

// Check returns the error of [Compile] for an expression, but does not look up names of hosts: any
// name is valid.
func Check(expr string, link decode.LinkType) error {
	e, err := parse(expr)
	if err == nil {
		_, err = compile(expr, e, link, func(_ context.Context, _, _ string) ([]netip.Addr, error) {
			return []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}, nil
		})
	}
	return err
}

func compile(expr string, e expression, link decode.LinkType, lookup lookup) (*Program, error) {
	if e == nil {
		return &Program{Program: *cbpf.New(cbpf.Always)}, nil
	}
	c, err := newCompiler(expr, link, lookup)
	if err != nil {
		return nil, err
	}
	t := e.test(c)
	if c.err != nil {
		return nil, c.err
	}
	return &Program{Program: *cbpf.New(c.withSlots(t)), tags: c.tags}, nil
}

// ErrTags is the error of [Kernel] for an expression with 'vlan', because the kernel removes tags
// before it filters a frame. [NewSource] filters in the process, after live capture has restored
// the tags.
var ErrTags = errors.New("'vlan' cannot be run by the kernel, which takes the tags out of frames")

// Kernel returns a function for the field Filter of visor/capture/afpacket.Config, which compiles
// expr for the kernel. The function returns [ErrTags] if the kernel cannot run the program.
func Kernel(expr string) func(link decode.LinkType) ([]bpf.RawInstruction, error) {
	return func(link decode.LinkType) ([]bpf.RawInstruction, error) {
		p, err := Compile(expr, link)
		if err != nil {
			return nil, err
		}
		if p.tags {
			return nil, fmt.Errorf("filter %q: %w", expr, ErrTags)
		}
		return p.Instructions(), nil
	}
}

package afpacket

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"golang.org/x/net/bpf"

	"visor/decode"
)

// Config configures a Capture. Interface must be set.
type Config struct {
	// its name, an IP address that it has, or "auto": the Ethernet interface that has seen most
	Interface string
	Queues    int // sources that share the traffic; 0 means 1
	// bytes of memory of each queue; 0 means 32 MiB. What comes while it is full is dropped
	RingSize      int
	BlockTimeout  time.Duration // after which a block that is not full is handed on; 0 means 100 ms
	NoPromiscuous bool          // see only what is addressed to this host

	// Filter returns a program for frames of the interface's link type, which the kernel runs: it
	// drops what that returns 0 for. It is as visor/capture/filter makes it:
	//
	//	afpacket.Config{Interface: "eth0", Filter: filter.Kernel("port 53")}
	//
	// The kernel sees frames of Ethernet without their outer VLAN tag. nil passes all.
	Filter func(link decode.LinkType) ([]bpf.RawInstruction, error)
}

// blockSize is the size of the pieces in which the kernel hands packets on. The largest packet must
// fit.
const blockSize = 256 << 10

const (
	defaultRing = 32 << 20
	maxQueues   = 256 // a group of sockets cannot be larger
)

func (cfg Config) withDefaults() Config {
	cfg.Queues = cmp.Or(cfg.Queues, 1)
	cfg.RingSize = cmp.Or(cfg.RingSize, defaultRing)
	cfg.BlockTimeout = cmp.Or(cfg.BlockTimeout, 100*time.Millisecond)
	return cfg
}

func (cfg *Config) validate() error {
	switch {
	case cfg.Interface == "":
		return errors.New("afpacket: no interface is named; \"auto\" takes the busiest")
	case cfg.Queues < 0 || cfg.Queues > maxQueues:
		return fmt.Errorf("afpacket: %d queues: must be from 1 to %d", cfg.Queues, maxQueues)
	case cfg.RingSize < 4*blockSize || cfg.RingSize > 1<<30:
		return fmt.Errorf("afpacket: ring of %d bytes: must be from 1 MiB to 1 GiB", cfg.RingSize)
	case cfg.BlockTimeout < time.Millisecond || cfg.BlockTimeout > 10*time.Second:
		return fmt.Errorf("afpacket: block timeout of %v: must be from 1 ms to 10 s", cfg.BlockTimeout)
	}
	return nil
}

// Stats counts what the kernel saw for all queues.
type Stats struct {
	Packets uint64 // offered, after the filter; dropped ones included
	Drops   uint64 // dropped because a ring was full
}

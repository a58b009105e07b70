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
	// name, IP address, or "auto" for the Ethernet interface with the most traffic
	Interface string
	// sources that share the traffic; 0 means 1. The kernel keeps the two directions of a
	// conversation together by its addresses, inside GRE and IP in IP too. Inside UDP (VXLAN,
	// Geneve) it takes the outer addresses: for mirrors of several switches use 1 and
	// [handler.Config].Workers
	Queues int
	// bytes of memory per queue; 0 means 32 MiB. Packets are dropped while it is full
	RingSize int
	// time after which a partly filled block is passed on; 0 means 100 ms
	BlockTimeout  time.Duration
	NoPromiscuous bool // capture only frames addressed to this host

	// Filter returns a program for frames of the interface's link type. The kernel runs it and
	// drops frames for which it returns 0. Package visor/capture/filter compiles such programs:
	//
	//	afpacket.Config{Interface: "eth0", Filter: filter.Kernel("port 53")}
	//
	// The kernel runs the program on Ethernet frames without their outer VLAN tag. nil accepts all
	// frames.
	Filter func(link decode.LinkType) ([]bpf.RawInstruction, error)
}

// blockSize is the size of the blocks in which the kernel passes packets on. The largest packet
// must fit into one.
const blockSize = 256 << 10

const (
	defaultRing = 32 << 20
	maxQueues   = 256 // the kernel's limit for a group of sockets
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

// Stats holds the counts of the kernel for all queues.
type Stats struct {
	Packets uint64 // packets that passed the filter, including dropped ones
	Drops   uint64 // packets dropped because a ring was full
}

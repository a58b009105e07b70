//go:build !linux

package afpacket

import (
	"errors"
	"fmt"
	"runtime"

	"visor/capture"
	"visor/decode"
)

// Capture captures from one interface.
type Capture struct{}

// Open returns [errors.ErrUnsupported].
func Open(cfg Config) (*Capture, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("afpacket: live capture on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// Interface returns the name of the interface.
func (c *Capture) Interface() string { return "" }

// Sources returns the queues, one per worker.
func (c *Capture) Sources() []capture.Source { return nil }

// Own returns the addresses of this host.
func (c *Capture) Own() *decode.NetSet { return &decode.NetSet{} }

// Stats returns the counts of the kernel so far.
func (c *Capture) Stats() Stats { return Stats{} }

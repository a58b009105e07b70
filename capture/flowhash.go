package capture

import (
	"visor/decode"
	"visor/internal/hash64"
)

// flowHash stands in until decode.FlowHash is there.
func flowHash(frame []byte, _ decode.LinkType) uint64 { return hash64.Sum(frame) }

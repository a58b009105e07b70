package afpacket_test

import (
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture/afpacket"
)

func TestOpenErrors(t *testing.T) {
	for want, cfg := range map[string]afpacket.Config{
		"no interface is named":     {},
		"257 queues":                {Interface: "lo", Queues: 257},
		"ring of 1000 bytes":        {Interface: "lo", RingSize: 1000},
		"block timeout of 1µs":      {Interface: "lo", BlockTimeout: time.Microsecond},
		`interface "no-such-one"`:   {Interface: "no-such-one"},
		"has the address 192.0.2.9": {Interface: "192.0.2.9"},
	} {
		_, err := afpacket.Open(cfg)
		if runtime.GOOS != "linux" && errors.Is(err, errors.ErrUnsupported) {
			continue
		}
		require.ErrorContains(t, err, want)
	}
}

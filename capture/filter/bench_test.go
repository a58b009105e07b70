package filter_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture/filter"
	"visor/decode"
)

// BenchmarkMatch measures the cost per frame, and compares it with the machine of x/net/bpf.
func BenchmarkMatch(b *testing.B) {
	frames := generated(b)
	for _, expr := range []string{"udp", "udp port 53", "host 192.0.2.1 and port 53", "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0"} {
		p, err := filter.Compile(expr, decode.LinkEthernet)
		require.NoError(b, err)
		b.Run(expr+"/visor", func(b *testing.B) {
			for i := 0; b.Loop(); i = (i + 1) % len(frames) {
				p.Match(frames[i].Data, frames[i].WireLen)
			}
		})
		vm := machine(b, p)
		b.Run(expr+"/xnet", func(b *testing.B) {
			for i := 0; b.Loop(); i = (i + 1) % len(frames) {
				_, _ = vm.Run(frames[i].Data)
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		_, err := filter.Compile("udp port 53 and not net 10.0.0.0/8", decode.LinkEthernet)
		require.NoError(b, err)
	}
}

package benchmarks

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/handler"
	"visor/handler/anonymize"
	"visor/handler/dns"
	"visor/handler/network"
)

// BenchmarkAnonymize measures the methods of package anonymize, with all groups of net and dns: on
// usual traffic, and on an attack whose sources are all different, which no cache helps against.
func BenchmarkAnonymize(b *testing.B) {
	frames, _ := varied()
	for _, traffic := range []struct {
		name   string
		frames []capture.Frame
	}{{"varied", frames}, {"spoofed", spoofed(frames)}} {
		for _, method := range []struct {
			name string
			cfg  *anonymize.Config
		}{{"none", nil}, {"lengths", &anonymize.Config{}}, {"cryptopan", &anonymize.Config{Key: &anonymize.Key{1}}}} {
			b.Run(traffic.name+"/"+method.name, func(b *testing.B) {
				var set handler.Settings
				if method.cfg != nil {
					var err error
					set.Anonymize, err = anonymize.New(*method.cfg)
					require.NoError(b, err)
				}
				mem := capture.NewMemory(traffic.frames)
				perPacket(b, len(traffic.frames), func() {
					mem.Rewind()
					n, err := network.New(network.Config{Settings: set})
					require.NoError(b, err)
					d, err := dns.New(dns.Config{Settings: set})
					require.NoError(b, err)
					runConfig(b, handler.Config{Sources: []capture.Source{mem}, Handlers: []handler.Handler{n, d}, Hosts: ownNets(b)})
				})
			})
		}
	}
}

// spoofed returns copies of frames with other sources in IPv4.
func spoofed(frames []capture.Frame) []capture.Frame {
	out := make([]capture.Frame, len(frames))
	const source = 14 + 12 // behind the headers
	for i, f := range frames {
		f.Data = append([]byte(nil), f.Data...)
		if f.Data[12] == 0x08 && f.Data[13] == 0 {
			binary.BigEndian.PutUint32(f.Data[source:], uint32(i)*0x9E3779B1)
		}
		out[i] = f
	}
	return out
}

package filter_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"

	"visor/capture/filter"
	"visor/decode"
)

// FuzzCompile compiles arbitrary text. The machine of x/net/bpf must accept every compiled program
// and return the same results.
func FuzzCompile(f *testing.F) {
	for _, expr := range expressions(f) {
		f.Add(expr, []byte("\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x00\x45\x00\x00\x1c\x00\x00\x00\x00\x40\x11\x00\x00\x7f\x00\x00\x01"))
	}
	links := []decode.LinkType{decode.LinkEthernet, decode.LinkSLL, decode.LinkSLL2, decode.LinkRaw, decode.LinkNull}
	f.Fuzz(func(t *testing.T, expr string, frame []byte) {
		for _, link := range links {
			p, err := filter.CompileOffline(expr, link)
			if err != nil {
				require.NotEmpty(t, err.Error())
				continue
			}
			decoded, ok := bpf.Disassemble(p.Instructions())
			require.True(t, ok, "%v", p)
			vm, err := bpf.NewVM(decoded)
			if err != nil {
				// x/net/bpf rejects shifts by more than 31 bits, and division by a constant zero
				continue
			}
			n, err := vm.Run(frame)
			require.NoError(t, err)
			require.Equal(t, n != 0, p.Match(frame, uint32(len(frame))), "%v", p)
		}
	})
}

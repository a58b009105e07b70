package dnsmsg_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode/dnsmsg"
)

func TestImpossible(t *testing.T) {
	question := wireName("a.example") + "\x00\x01\x00\x01"
	with := func(h []byte, rest string) []byte { return append(h, rest...) }
	for _, tt := range []struct {
		name string
		msg  []byte
		want bool
	}{
		{"query", query(wireName("a.example")), false},
		{"response", response(), false},
		{"header alone", header(1, 0x8001, 0, 0, 0, 0), false},
		{"header alone, of an opcode that is not assigned", header(1, 0x7800, 0, 0, 0, 0), false},
		{"more records than fit", with(header(1, 0x8000, 1, 900, 0, 0), question), false},
		{"cut answer with its counts", with(header(1, 0x8200, 1, 900, 0, 0), question), false},
		{"opcode that is not assigned", with(header(1, 0x4800, 1, 0, 0, 0), question), false},
		{"name that is cut", with(header(1, 0x0100, 1, 0, 0, 0), "\x0Aabc"), true},
		{"name that is cut, in a message that fits", with(header(1, 0x0100, 1, 0, 0, 0), "\x0Aabcdef"), false},
		{"type 0 and class 0, of a name", with(header(1, 0x8500, 1, 236, 1, 2), wireName("a.example")+"\x00\x00\x00\x00"), false},
		{"type 0 and class 0, of the root", with(header(0x0400, 0, 9731, 1, 0, 0), "\x00\x00\x00\x00\x00\x00\x00"), true},
		{"records that are none", with(header(1, 0x8000, 0, 700, 0, 0), "\xFF\xFF"), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, dnsmsg.Message(tt.msg).Impossible(len(tt.msg)))
		})
	}
	long := with(header(1, 0x0100, 1, 0, 0, 0), "\x0Aabc")
	require.False(t, dnsmsg.Message(long).Impossible(40), "the capture is cut, not the message")
}

// TestOtherProtocols feeds typical tunnel traffic to port 53.
func TestOtherProtocols(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	random := func(b []byte, n int) []byte {
		for range n {
			b = append(b, byte(rnd.Uint32()))
		}
		return b
	}
	for _, tt := range []struct {
		name string
		make func(i int) []byte
	}{
		{"WireGuard handshake", func(int) []byte { return random([]byte{1, 0, 0, 0}, 144) }},
		{"WireGuard data", func(i int) []byte {
			b := random([]byte{4, 0, 0, 0}, 4)
			return random(append(b, byte(i), byte(i>>8), 0, 0, 0, 0, 0, 0), 16+16*(i%64))
		}},
		{"OpenVPN reset", func(i int) []byte {
			return append(random([]byte{0x38}, 8), 0, 0, 0, 0, byte(i))
		}},
		{"OpenVPN data", func(i int) []byte { return random([]byte{0x48, 0, 0, 1}, 40+i%1000) }},
	} {
		found := 0
		for i := range 1000 {
			b := tt.make(i)
			if dnsmsg.Message(b).Impossible(len(b)) {
				found++
			}
		}
		require.Greater(t, found, 970, tt.name)
	}
}

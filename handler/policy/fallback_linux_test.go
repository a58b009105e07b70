package policy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
	"visor/internal/wait"
)

// user0 is a link type that decode does not support: its header is one byte, 4 for IPv4.
const user0 = decode.LinkType(147)

type user0Fallback struct{}

func (user0Fallback) Network(link decode.LinkType, frame []byte) (etherType uint16, payload []byte, ok bool) {
	if link != user0 || frame[0] != 4 {
		return 0, nil, false
	}
	return 0x0800, frame[1:], true
}

// TestFallback has a capture of a link type that decode does not support. With a Fallback its
// packets count. Packets that the Fallback cannot decode count as undecodable, like all packets
// without one.
func TestFallback(t *testing.T) {
	const ethernet = 14
	var frames []capture.Frame
	for _, f := range packets(10) {
		if f.Data[12] == 8 && f.Data[13] == 0 {
			data := append([]byte{4}, f.Data[ethernet:]...)
			frames = append(frames, capture.Frame{TimeNS: f.TimeNS, Data: data, WireLen: uint32(len(data)), Link: user0})
		}
	}
	whole := uint64(len(frames))
	require.Positive(t, whole)
	frames = append(frames, capture.Frame{TimeNS: frames[0].TimeNS, Data: []byte{9, 9}, WireLen: 2, Link: user0})
	for _, tt := range []struct {
		fallback    decode.LinkFallback
		undecodable uint64
	}{{user0Fallback{}, 1}, {nil, whole + 1}} {
		m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog(), Fallback: tt.fallback})
		require.NoError(t, m.AddTap(fileTap(savePcap(t, t.TempDir(), "user0.pcap", frames), false)))
		r, err := m.AddPolicy(counting("a"))
		require.NoError(t, err)
		wait.Receive(t, r.Parts[0].Ended(), "the end")
		a := r.Parts[0].Account()
		require.Equal(t, []uint64{whole + 1, tt.undecodable}, []uint64{a.Offered, a.Undecodable})
		require.NoError(t, m.Close())
	}
}

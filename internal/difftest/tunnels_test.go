package difftest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/internal/packettest"
)

// Several switches mirror queries and replies, each in another tunnel (found by FuzzWorkers). One
// worker sees both, so that each transaction is answered.
func TestMirroredInTunnels(t *testing.T) {
	const count = 30 // up to 32 clients of a name are exact with any number of workers
	var in []capture.Frame
	for i := range count {
		at := time.Duration(i) * time.Millisecond
		client := fmt.Sprintf("192.0.2.%d:4242", i)
		query := packettest.Query(uint16(i), "example.com.", 1)
		in = append(in,
			mirrored(fmt.Sprintf("10.0.1.%d:1", i), packettest.UDP(at, client, "198.51.100.1:53", query)),
			mirrored(fmt.Sprintf("10.0.2.%d:1", i), packettest.UDP(at+time.Microsecond, "198.51.100.1:53", client, packettest.Reply(query, 0, 1))))
	}
	sameWithWorkers(t, in)
	dns := answers(t, countBy(t, 4, capture.NewMemory(in)))["dns"]
	require.EqualValues(t, count, number(t, dns, "xact.counts.total"))
	require.Zero(t, number(t, dns, "xact.counts.timed_out"))
}

// mirrored returns a frame in a VXLAN tunnel (RFC 7348) from a switch to the collector.
func mirrored(from string, f capture.Frame) capture.Frame {
	const flags = "\x08\x00\x00\x00\x00\x00\x01\x00"
	out := packettest.UDP(0, from, "10.0.0.9:4789", append([]byte(flags), f.Data...))
	out.TimeNS = f.TimeNS
	return out
}

package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A finding that lasts is a banner above the numbers. Its evidence is two keys away. The answer is
// from a visord, about a recorded attack and a scan.
func TestFindings(t *testing.T) {
	a := newAgent(t)
	tt := inTerminal(t, 130, 60, a.args()...)
	require.NotContains(t, tt.shows("Top QName 2"), "ATTACK")
	tt.keys("f")
	tt.shows("nothing stands out")
	tt.escape("nothing stands out")

	a.mu.Lock()
	a.attack = true
	a.mu.Unlock()
	screen := tt.shows(" ATTACK Random labels below example.com: 10 queries per second")
	require.Contains(t, screen, "f: evidence")
	require.Contains(t, screen, "Top QName 2", "the numbers stay")

	tt.keys("f")
	screen = tt.shows("What stands out: 1 now, 1 resolved")
	require.NotContains(t, screen, "Top QName 2")
	require.Regexp(t, `attack +default +Random labels below example\.com`, screen)
	require.Regexp(t, `resolved +scan +Scan of ports, 192\.0\.2\.9`, screen)
	tt.keys("Enter")
	screen = tt.shows("random_labels example.com · policy default")
	for _, want := range []string{"distinct names with an error or no reply: 622 (usual: 0)", "queries: 10.37 per second", "Examples", ".example.com", "Clients", "10.0.0.0", "top_qname2"} {
		require.Contains(t, screen, want)
	}
	tt.keys("j", "j", "j", "k")
	tt.escape("Examples")
	tt.keys("j", "Enter")
	require.Contains(t, tt.shows("scan 192.0.2.9 · policy scan"), "resolved")
	tt.escape("192.0.2.9 · policy")
	tt.escape("What stands out")
	tt.shows("Top QName 2")

	a.Close()
	tt.shows("ATTACK Random labels") // the latest answer stays
	tt.shows("no answer")
}

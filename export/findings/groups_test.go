package findings_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/export/findings"
	"visor/internal/racetest"
)

// With only pktvisor's groups many attacks are not found, but none is taken for another one.
func TestFewGroups(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	for i := range strikes {
		k := &strikes[i]
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			for n, shape := range k.shapes() {
				s := scenario{mix: resolver, seed: 60, minutes: 18, qps: 20, begin: 15, attack: shape(1200, k.clients(0)), pktvisor: true}
				for _, f := range s.find(t, findings.Config{}) {
					usual := f.Kind == findings.Spike || f.Kind == findings.Trouble
					require.True(t, usual || slices.Contains(k.kinds, f.Kind), "shape %d: %s", n, f.Text)
				}
			}
		})
	}
}

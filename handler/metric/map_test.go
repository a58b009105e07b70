package metric

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/sketch"
)

// TestFoldLeast checks which subjects stay: the greatest weights, and of equal ones the first
// names, in whatever order they were added.
func TestFoldLeast(t *testing.T) {
	type count struct {
		N sketch.Counter `metric:"n" help:"counted"`
	}
	type metrics struct {
		All Map[count] `metric:"all" label:"name"`
	}
	s, err := NewSchema[metrics]("x", nil)
	require.NoError(t, err)
	counts := map[string]uint64{"a": 2, "b": 5, "c": 2, "d": 2, "e": 1, "rest": 1}
	for _, tt := range []struct {
		most int
		want string
	}{
		{0, "rest 13"},
		{1, "b 5, rest 8"},
		{3, "a 2, b 5, c 2, rest 4"},
		{5, "a 2, b 5, c 2, d 2, e 1, rest 1"},
		{9, "a 2, b 5, c 2, d 2, e 1, rest 1"},
	} {
		for _, names := range [][]string{{"a", "b", "c", "d", "e", "rest"}, {"rest", "e", "d", "c", "b", "a"}} {
			m := &s.New().Metrics
			for _, name := range names {
				m.All.At(name).N.Add(counts[name])
			}
			m.All.FoldLeast(tt.most, "rest", func(c *count) uint64 { return c.N.Value() })
			var got []string
			for name, c := range m.All.All() {
				got = append(got, fmt.Sprint(name, " ", c.N.Value()))
			}
			require.Equal(t, tt.want, strings.Join(got, ", "))
		}
	}
	m := &s.New().Metrics
	m.All.At("a").N.Add(1)
	m.All.At("b").N.Add(1)
	m.All.FoldLeast(1, "rest", func(c *count) uint64 { return c.N.Value() })
	require.NotNil(t, m.All.Find("rest"), "two subjects are more than one, without the rest too")
	require.Nil(t, m.All.Find("b"))
}

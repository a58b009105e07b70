package golden

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDiff(t *testing.T) {
	require.Equal(t, "    2 - b\n    2 + B\n    4 + e", diff("a\nb\nd\nf", "a\nB\nd\ne\nf"))
	require.Equal(t, "    1 - a", diff("a\nb", "b"))
	require.Equal(t, "    1 - a\n    2 - b\n    1 + c", diff("a\nb", "c"))
	require.Empty(t, diff("a\nb", "a\nb"))
	long := strings.Repeat("x\n", 500)
	require.Contains(t, diff(long, "y"), "and 402 more lines")
}

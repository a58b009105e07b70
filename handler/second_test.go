package handler

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSecond(t *testing.T) {
	for ns, want := range map[int64]int64{-1: -1, 0: 0, 999_999_999: 0, 1e9: 1, -1e9: -1, -1e9 - 1: -2} {
		require.Equal(t, want, secondOf(ns).Unix())
		s := secondOf(ns)
		require.True(t, s.has(ns))
		require.False(t, s.has(ns+1e9))
	}
	var none second
	require.False(t, none.has(0))
}

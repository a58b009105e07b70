package handler_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"visor/handler"
)

func TestSecond(t *testing.T) {
	for ns, want := range map[int64]int64{-1: -1, 0: 0, 999_999_999: 0, 1e9: 1, -1e9: -1, -1e9 - 1: -2} {
		require.Equal(t, want, handler.SecondOf(ns).Unix())
		s := handler.SecondOf(ns)
		require.True(t, s.Has(ns))
		require.False(t, s.Has(ns+1e9))
	}
	var none handler.Second
	require.False(t, none.Has(0))
}

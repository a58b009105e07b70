// Package racetest keeps runs with the race detector short.
package racetest

import "testing"

// SkipLong skips a long test under the race detector, which takes up to ten times as long. Use it
// for tests of one goroutine, and for those whose goroutines shorter tests run too. A plain run of
// the tests does not skip them.
func SkipLong(t testing.TB) {
	if Enabled {
		t.Skip("skipped: -race leaves out long tests whose goroutines others run too")
	}
}

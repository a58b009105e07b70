// Package racetest leaves tests without concurrency out of runs with the race detector.
package racetest

import "testing"

// SkipSerial skips a long test of one goroutine under the race detector, which takes ten times as
// long and has nothing to find. A plain run of the tests does not skip it.
func SkipSerial(t testing.TB) {
	if enabled {
		t.Skip("skipped: -race leaves out long tests of one goroutine")
	}
}

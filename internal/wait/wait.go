// Package wait lets tests wait for conditions of other goroutines and processes. A test that waits
// for a condition passes on a busy machine; a test that waits for a time does not.
package wait

import (
	"testing"
	"time"
)

// limit is how long a condition may take. It is far above the needs of a busy machine, so that only
// a condition that never becomes true fails.
const limit = 2 * time.Minute

// Until waits until done returns true. It calls done in the caller's goroutine, so that done may
// fail the test. After two minutes the test fails with the result of explain, or without explain
// only with the position.
func Until(tb testing.TB, done func() bool, explain ...func() string) {
	tb.Helper()
	pause := time.Millisecond
	for deadline := time.Now().Add(limit); !done(); time.Sleep(pause) {
		if time.Now().After(deadline) {
			text := ""
			for _, e := range explain {
				text += ": " + e()
			}
			tb.Fatalf("the condition did not come true within %v%s", limit, text)
		}
		pause = min(2*pause, 50*time.Millisecond)
	}
}

// Receive returns the next value of c, or its zero value once c is closed. If the test fails, the
// message names the awaited value.
func Receive[T any](tb testing.TB, c <-chan T, what string) T {
	tb.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(limit):
		tb.Fatalf("%s did not happen within %v", what, limit)
		panic("unreachable")
	}
}

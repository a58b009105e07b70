// Package window holds the live bucket of a stream and the last closed buckets, one per period.
//
//	ring := window.NewRing(5, newBucket)
//	for _, ev := range events {
//		if ev.Minute != minute {
//			minute = ev.Minute
//			ring.Shift() // closes the period
//		}
//		ring.Current().Count(ev)
//	}
//	for b := range ring.All() { // the live one first
//		...
//	}
//
// The caller decides when a period ends: by the timestamps of the data, so that a recording yields
// the same results at any reading speed, or by a clock.
//
// A Ring holds at most its configured number of buckets, plus those that readers have pinned.
// Buckets are recycled. Once all are in use, a Ring allocates only to replace a bucket that is
// still pinned when it is due for reuse.
package window

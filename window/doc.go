// Package window keeps the live bucket of a stream and the last closed ones, one a period.
//
//	ring := window.NewRing(5, time.Minute, newBucket)
//	for _, ev := range events {
//		ring.Live(ev.TimeNS).Count(ev) // closes the period when its time has come
//	}
//	last, _ := ring.Bucket(1)
//
// Periods follow the data: one begins with the event that closed the one before, so a recording gives the same
// answers however fast it is read. Events that come late, or whose clock stepped back, are counted in the live
// bucket. Buckets are recycled; nothing is allocated once all are in use.
package window

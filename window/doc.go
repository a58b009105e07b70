// Package window keeps the live bucket of a stream and the last closed ones, one a period.
//
//	ring := window.NewRing(5, time.Minute, newBucket)
//	for _, ev := range events {
//		ring.Live(ev.TimeNS).Count(ev) // closes the period when its time has come
//	}
//	last, ok := ring.Bucket(1) // false until a period has closed
//
// Periods follow the data: one begins with the event that closed the one before, so a recording gives the same
// answers however fast it is read. A gap without events is therefore no row of empty periods, unless a clock closes
// them with [Ring.Tick]. Events that come late, or whose clock stepped back, are counted in the live bucket: none is
// lost. One whose clock is ahead begins a period there, which lasts until the others have caught up.
//
// A Ring holds at most as many buckets as it was made for, and those that a reader has pinned. Buckets are recycled:
// once all are in use, nothing is allocated, except for a bucket in place of one that is pinned when its turn comes.
// Finding the live bucket takes about 2 ns.
package window

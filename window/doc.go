// Package window holds the live bucket of a stream and the last closed buckets, one per period.
//
//	ring := window.NewRing(5, time.Minute, newBucket)
//	for _, ev := range events {
//		ring.Live(ev.TimeNS).Count(ev) // closes the period if the event is after its end
//	}
//	last, ok := ring.Bucket(1) // false until a period has closed
//
// Periods follow the timestamps of the data, so a recording yields the same results at any reading
// speed. A period begins with the event that closed the previous one. A gap without events
// therefore produces no empty periods, unless a clock closes them with [Ring.Tick].
//
// No event is lost. Late events, and events whose clock stepped back, are counted in the live
// bucket. An event whose clock is ahead begins a period at its timestamp. That period lasts until
// other events pass its end.
//
// A Ring holds at most its configured number of buckets, plus those that readers have pinned.
// Buckets are recycled. Once all are in use, a Ring allocates only to replace a bucket that is
// still pinned when it is due for reuse. Finding the live bucket takes about 2 ns.
package window

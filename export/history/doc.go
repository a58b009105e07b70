// Package history keeps the metrics of the last days in a file, so that you can ask about any range
// of time: what happened at 03:12?
//
//	store, err := history.Open(history.Config{Path: "/var/lib/visor/history.db"})
//	defer store.Close()
//	p, err := handler.NewPipeline(handler.Config{
//		Closed: func(s *handler.Snapshot) { store.Add("default", s, by) },
//		...
//	})
//	answer, err := store.Range(ctx, "default", from, to)
//	metrics := dns.From(answer.Snapshot)
//
// A closed period becomes a record of the tier minute. When an hour is over, its records are merged
// into one of the tier hour. The hours of a day, in UTC, are merged into one of the tier day. Each
// tier keeps its records for its own time: 48 hours, 30 days and 2 years by default. Lists have 256
// entries; what that cuts is in their errors. If the file would exceed [Config.MaxBytes], the
// oldest minutes are deleted first, then hours, then days.
//
// A period belongs to the hour, the day and the range in which it starts. A range is merged from
// the fewest records. Where only a coarser tier is left, the range widens to it. Time that nothing
// counted is a gap in the answer, not a zero.
//
// [Store.Add] never waits for the disk. After kill -9 at any moment, only the periods that were not
// yet written are lost. Records have checksums that include their place, so that damage never
// changes an answer. A damaged file is renamed, its undamaged records are copied to a new one, and
// what is lost is a gap. A full disk or a file without write permission makes periods wait in
// memory, as many as fit, until writing works again.
//
// A bounded reader checks the file before bbolt opens it: each page once, nested up to 32 times,
// all values within their pages, and after an unclean end each record. It ends after 10 seconds at
// most. bbolt therefore sees only trees, in which it cannot run in circles. Its panics and memory
// faults are caught and count as damage. So damage cannot end the agent. A child process for the
// check would add nothing, and a library cannot start one.
//
// Only one process at a time can open a store. The file has mode 0600.
package history

// Package findings draws conclusions from metrics: an attack with random labels, a spike, a scan, a
// server in trouble, with the evidence for each.
//
//	watcher, err := findings.NewWatcher(findings.Config{})
//	...
//	p, err := handler.NewPipeline(handler.Config{Sources: sources, Handlers: handlers,
//		Closed: func(s *handler.Snapshot) { // each minute
//			for _, f := range watcher.Add(s) {
//				fmt.Println(f.Severity, f.Resolved, f.Text)
//			}
//		},
//	})
//
// A [Watcher] takes the closed periods of one policy, in order of time. They come from a pipeline
// or from bytes. [Watcher.Add] returns what fired and what resolved. [Find] does the same for
// periods that are all there.
//
// Some findings need only one period, such as an attack with random labels. Others compare with a
// baseline: the median of earlier periods, with the median absolute deviation as the spread. Both
// resist outliers, and nothing is trained. [Watcher.Learn] adds the same hour of earlier days. A
// baseline needs 10 periods or an earlier day. It starts again when the module, its groups or the
// key of its hashes change, and after 30 minutes without a period.
//
// A finding lasts from its first sign until some periods without one: an episode. Thresholds are
// lower while it lasts, so that it does not flap. It is compared with the baselines from before it,
// so that it does not count as normal after some minutes, not even in what [Watcher.Learn] reads.
// After a day it does, and a greater volume that is not an attack does after two hours: it is
// resolved, with [Finding].Usual set.
//
// Findings use the metrics that a module has. For findings about names it needs the groups
// names_by_domain, client_names and top_clients. They are enabled in Go programs; a policy document
// enables them by name or by "everything".
//
// Few false alarms are the goal. Findings with the severity [Attack] need two signs or more.
// [Config] has thresholds and exceptions. Reverse zones, lists of bad addresses and services that
// put data into names are exceptions by default.
package findings

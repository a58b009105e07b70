// Package findings draws conclusions from metrics: an attack with random labels, a spike, a scan, a
// server in trouble, with the evidence for each.
//
//	found, err := findings.Find(findings.Config{}, periods...)
//	for _, f := range found {
//		fmt.Println(f.Severity, f.Text)
//	}
//
// It reads snapshots of closed periods of one policy, in order of time. They come from a pipeline
// or from bytes. It needs nothing else, so a program that embeds visor can act on findings. A
// [Watcher] does the same one period at a time. [Watcher.Add] returns what fired and what resolved.
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
// names_by_domain, client_names and top_clients, which a policy document enables by name or by
// "everything".
//
// Few false alarms are the goal. Findings with the severity [Attack] need two signs or more.
// [Config] has thresholds and exceptions. Reverse zones, lists of bad addresses and services that
// put data into names are exceptions by default.
package findings

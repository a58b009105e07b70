// Package metric declares what an analyzer counts, and turns it into values that exporters write.
//
// A struct declares the metrics: each field is a sketch, and its tags hold the JSON path, the group
// and the help text. A [Schema] reads the struct once, and a [Set] holds the state:
//
//	type Metrics struct {
//		Queries sketch.Counter  `metric:"queries,counters" help:"DNS queries"`
//		Names   metric.TopNames `metric:"top_names,names" label:"name" help:"names by queries"`
//	}
//
//	schema, err := metric.NewSchema[Metrics]("mine", metric.GroupNames{"counters", "names"})
//	...
//	set := schema.New()
//	set.Metrics.Queries.Add(1)
//	values := set.Values(all, metric.Rendering{TopN: 10})
//
// Fields are counters, cardinalities, quantiles, rates and histograms of package sketch, and the
// types of this package: lists ([Top], [TopNames], [TopDomains], [TopNumbers], [TopLocations]), a
// [Gauge], the [Min], [Max] and [Mean] of numbers, and a [Map] of metrics for each of several
// subjects. Merging, resetting, JSON, Prometheus, OTLP and the JSON schema follow from the
// declaration; the analyzer only counts. Analyzers get their Set from a handler.Base.
//
// A Set is owned by one goroutine. Adding to a metric allocates nothing once the metric has its
// memory.
package metric

// Package metric declares the metrics of an analyzer and converts them into values for exporters.
//
// A struct declares the metrics. Each field is a sketch, and its tags hold the JSON path, the group
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
// Fields can be counters, cardinalities, quantiles, rates and histograms of package sketch. They
// can also be types of this package: lists ([Top], [TopNames], [TopDomains], [TopNumbers],
// [TopLocations]), a [Gauge], the [Min], [Max] and [Mean] of numbers, and a [Map] of metrics per
// subject. Merging, resetting, JSON, Prometheus, OTLP and the JSON schema follow from the
// declaration; the analyzer only counts. Analyzers get their Set from a handler.Base.
//
// A Set is owned by one goroutine. Adding to a metric does not allocate once the metric has its
// memory.
package metric

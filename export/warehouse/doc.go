// Package warehouse writes closed periods into PostgreSQL, so that analysts can query many hosts
// and weeks in SQL. Counters become numbers, cardinalities become values of the extension hll, and
// quantiles become values of the extension tdigest: SQL merges these without counting anything
// twice.
//
//	db, err := sql.Open("pgx", "postgres://visor@warehouse/visor") // any driver of PostgreSQL
//	w, err := warehouse.New(warehouse.Config{DB: db, Agent: "ns1"})
//	go w.Run(ctx)
//	p, err := handler.NewPipeline(handler.Config{
//		Closed: func(s *handler.Snapshot) { w.Put("default", s) }, // never waits
//		...
//	})
//
// Missing tables are created; the extensions hll and tdigest must be installed. Each row has the
// agent, the policy, the module, the metric's Prometheus name, the subject within it, the start of
// the period and its length in seconds. If a period is written again, its rows are replaced.
//
//	-- distinct names asked for by all hosts in a week
//	SELECT hll_cardinality(hll_union_agg(value)) FROM visor_distinct_checked
//	WHERE metric = 'dns_cardinality_qname' AND period > now() - interval '7 days';
//
//	-- 99th percentile of the time of answers, by host
//	SELECT agent, tdigest_percentile(value, 0.99) FROM visor_quantile
//	WHERE metric = 'dns_xact_out_quantiles_us' GROUP BY agent;
//
// Cardinalities of hosts merge only if the hosts hash under one key (hash64.Key). Each row names
// its key, and visor_distinct_checked fails if the rows of a metric have different keys. Queries
// that filter by hash_key use the table visor_distinct.
package warehouse

package main

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/export/warehouse"
	"visor/handler"
	"visor/handler/dns"
	"visor/internal/packettest"
	"visor/internal/pgtest"
	"visor/sketch/hash64"
)

const (
	asker  = "192.0.2.1:5000"
	server = "198.51.100.1:53"
)

// observe passes the minutes of a host on and returns their sum. In each minute it asks for other
// names, from the number first on.
func observe(t *testing.T, hash *hash64.Hasher, first, minutes, names int, closed func(*handler.Snapshot)) handler.Module {
	var frames []capture.Frame
	for minute := range minutes {
		for i := range names {
			at := time.Duration(minute)*time.Minute + time.Duration(i)*time.Millisecond
			q := packettest.Query(uint16(i), fmt.Sprintf("n%d.example", first+minute*names/2+i), 1)
			frames = append(frames, packettest.UDP(at, asker, server, q))
			frames = append(frames, packettest.UDP(at+time.Duration(1+i%50)*time.Millisecond, server, asker, packettest.Reply(q, 0, 1)))
		}
	}
	h, err := dns.New(dns.Config{Settings: handler.Settings{Periods: 2}})
	require.NoError(t, err)
	var all []*handler.Module
	p, err := handler.NewPipeline(handler.Config{
		Sources: []capture.Source{capture.NewMemory(frames)}, Handlers: []handler.Handler{h}, Hash: hash,
		Closed: func(s *handler.Snapshot) {
			closed(s)
			all = append(all, &s.Modules[0])
		},
	})
	require.NoError(t, err)
	require.NoError(t, p.Run(t.Context()))
	require.Len(t, all, minutes)
	sum, err := handler.Join("dns", all...)
	require.NoError(t, err)
	return sum
}

// SQL over the periods of two hosts answers what visor's own merged summary does.
func TestPostgreSQL(t *testing.T) {
	pg := pgtest.Start(t, "hll")
	db, err := sql.Open("pgx", pg.URL())
	require.NoError(t, err)
	defer db.Close()
	var sums []*handler.Module
	write := func(agent string, hash *hash64.Hasher, first int) {
		w, err := warehouse.New(warehouse.Config{DB: db, Agent: agent, Drain: time.Minute})
		require.NoError(t, err)
		sum := observe(t, hash, first, 5, 3000, func(s *handler.Snapshot) {
			w.Put("default", s)
			w.Put("default", s) // a period twice is one row
		})
		sums = append(sums, &sum)
		done, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, w.Run(done))
		require.Equal(t, uint64(10), w.Stats().Written)
	}
	write("ns1", hash64.Fixed(), 0)
	write("ns2", hash64.Fixed(), 4000)
	sum, err := handler.Join("dns", sums...)
	require.NoError(t, err)
	want := dns.From(&handler.Snapshot{Modules: []handler.Module{sum}})

	number := func(query string) (n float64) {
		require.NoError(t, db.QueryRow(query).Scan(&n), query)
		return n
	}
	require.EqualValues(t, 10, number("SELECT count(*) FROM visor_count WHERE metric = 'dns_wire_packets_queries'"))
	require.EqualValues(t, want.Queries.Value(), number("SELECT sum(value)::float8 FROM visor_count WHERE metric = 'dns_wire_packets_queries'"))
	require.InEpsilon(t, want.QName.Estimate(),
		number("SELECT hll_cardinality(hll_union_agg(value)) FROM visor_distinct_checked WHERE metric = 'dns_cardinality_qname'"), 0.02)
	for _, p := range []float64{0.5, 0.9, 0.99} {
		got := number(fmt.Sprintf("SELECT tdigest_percentile(value, %g) FROM visor_quantile WHERE metric = 'dns_xact_ratio_quantiles'", p))
		require.InEpsilon(t, want.Ratio.Quantile(p), got, 0.02)
	}

	write("ns3", hash64.New(hash64.Key{1}), 0)
	_, err = db.Exec("SELECT hll_union_agg(value) FROM visor_distinct_checked WHERE metric = 'dns_cardinality_qname'")
	require.ErrorContains(t, err, "was hashed under several keys")
	require.InEpsilon(t, want.QName.Estimate(), number("SELECT hll_cardinality(hll_union_agg(value)) FROM visor_distinct "+
		"WHERE metric = 'dns_cardinality_qname' AND hash_key = '"+hash64.Fixed().ID().String()+"'"), 0.02)
}

// A database that stops in between loses nothing.
func TestPostgreSQLRestarts(t *testing.T) {
	pg := pgtest.Start(t, "tdigest")
	db, err := sql.Open("pgx", pg.URL())
	require.NoError(t, err)
	defer db.Close()
	w, err := warehouse.New(warehouse.Config{DB: db, Agent: "ns1", Backoff: 10 * time.Millisecond, Drain: time.Minute})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	put := func(first int) {
		observe(t, hash64.Fixed(), first, 2, 10, func(s *handler.Snapshot) { w.Put(fmt.Sprint("policy", first), s) })
	}
	put(1)
	pg.Restart(t, func() { put(2) })
	put(3)
	cancel()
	require.NoError(t, <-done)
	var n int
	require.NoError(t, db.QueryRow("SELECT count(*) FROM visor_count WHERE metric = 'dns_wire_packets_queries'").Scan(&n))
	require.Equal(t, 6, n)
}

package warehouse_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/export/warehouse"
	"visor/handler"
	"visor/handler/dns"
	"visor/internal/packettest"
)

// period returns a closed period with n queries.
func period(t testing.TB, n int) *handler.Snapshot {
	t.Helper()
	var frames []capture.Frame
	for i := range n {
		q := packettest.Query(uint16(i), fmt.Sprintf("n%d.example", i), 1)
		frames = append(frames, packettest.UDP(time.Duration(i)*time.Millisecond, "192.0.2.1:5000", "198.51.100.1:53", q))
	}
	h, err := dns.New(dns.Config{})
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{capture.NewMemory(frames)}, Handlers: []handler.Handler{h}})
	require.NoError(t, err)
	require.NoError(t, p.Run(context.Background()))
	s, err := p.Bucket(0)
	require.NoError(t, err)
	return s
}

const queries = "dns_wire_packets_queries"

// start runs a Warehouse in the background. stop ends it and returns its error.
func start(t *testing.T, cfg warehouse.Config) (w *warehouse.Warehouse, stop func() error) {
	w, err := warehouse.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	return w, func() error {
		cancel()
		return <-done
	}
}

// Periods that wait during an outage arrive after it, in order, each once.
func TestOutage(t *testing.T) {
	periods := []*handler.Snapshot{period(t, 1), period(t, 2), period(t, 3)}
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		f.set(errors.New("away"))
		db := f.open()
		defer db.Close()
		var log bytes.Buffer
		w, stop := start(t, warehouse.Config{DB: db, Agent: "ns1", Logger: slog.New(slog.NewTextHandler(&log, nil))})
		for _, p := range periods {
			w.Put("default", p)
		}
		time.Sleep(5 * time.Minute)
		require.Equal(t, 3, w.Stats().Pending)
		require.Less(t, w.Stats().Retries, uint64(15), "it waits ever longer")
		f.set(nil)
		time.Sleep(2 * time.Minute)
		require.Equal(t, []string{"1", "2", "3"}, f.written(queries))
		require.NoError(t, stop())
		require.Equal(t, uint64(3), w.Stats().Written)
		require.Zero(t, w.Stats().Lost)
		require.Contains(t, log.String(), "the database does not take periods")
	})
}

// Put returns while the database hangs. The oldest periods are lost when too much waits.
func TestOverflow(t *testing.T) {
	p := period(t, 1)
	synctest.Test(t, func(t *testing.T) {
		f := &fake{hang: make(chan struct{})}
		db := f.open()
		defer db.Close()
		var log bytes.Buffer
		w, stop := start(t, warehouse.Config{
			DB: db, Agent: "ns1", Pending: 100_000, Timeout: time.Hour, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		const n = 100
		for range n {
			w.Put("default", p)
		}
		synctest.Wait()
		s := w.Stats()
		require.Greater(t, s.Pending, 1)
		require.Equal(t, uint64(n), s.Lost+uint64(s.Pending))
		require.Contains(t, log.String(), "periods are lost")
		close(f.hang)
		synctest.Wait()
		got := w.Stats()
		require.Equal(t, uint64(n), got.Lost+got.Written, "every period is written or lost")
		require.Len(t, f.written(queries), int(got.Written))
		require.NoError(t, stop())
	})
}

// What waits at the end is written, or the error counts the lost periods.
func TestEnd(t *testing.T) {
	p := period(t, 1)
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		db := f.open()
		defer db.Close()
		w, stop := start(t, warehouse.Config{DB: db, Agent: "ns1"})
		synctest.Wait()
		w.Put("default", p)
		require.NoError(t, stop())
		require.Len(t, f.written(queries), 1)

		f.set(errors.New("away"))
		w, stop = start(t, warehouse.Config{DB: db, Agent: "ns1"})
		w.Put("default", p)
		w.Put("other", p)
		require.ErrorContains(t, stop(), "warehouse: lost periods: 2: making the tables: away")
		require.Equal(t, uint64(2), w.Stats().Lost)
	})
}

// Kinds go to their tables. Modules that have not begun have no rows.
func TestRows(t *testing.T) {
	f := &fake{}
	db := f.open()
	defer db.Close()
	w, stop := start(t, warehouse.Config{DB: db, Agent: "ns1"})
	s := period(t, 100)
	w.Put("default", s)
	h, err := dns.New(dns.Config{})
	require.NoError(t, err)
	idle, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{capture.NewMemory(nil)}, Handlers: []handler.Handler{h}})
	require.NoError(t, err)
	none, err := idle.Bucket(0)
	require.NoError(t, err)
	w.Put("default", none)
	require.NoError(t, stop())
	require.Equal(t, []string{"100"}, f.written(queries))
	require.Len(t, f.written("dns_cardinality_qname"), 1)
	require.Empty(t, f.written("dns_top_qname2"), "lists have no table")
	require.Empty(t, f.written("dns_xact_out_quantiles_us"), "no sample, no row")
	require.Equal(t, uint64(1), w.Stats().Written)
	require.Len(t, f.rows[0], 8)
	require.Equal(t, []any{"ns1", "default", "dns"}, []any{f.rows[0][0].Value, f.rows[0][1].Value, f.rows[0][2].Value})
}

func TestRefuses(t *testing.T) {
	for _, cfg := range []warehouse.Config{{}, {Agent: "a"}, {DB: new(sql.DB)}} {
		_, err := warehouse.New(cfg)
		require.EqualError(t, err, "warehouse: Config.DB and Config.Agent are required")
	}
}

package warehouse

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"visor/handler"
)

// Config configures a Warehouse. DB and Agent are required.
type Config struct {
	DB      *sql.DB // a PostgreSQL; the caller keeps ownership
	Agent   string  // name of the host or program that counted, in all rows
	Pending int     // bytes of values that may wait for the database; 0 means 64 MiB
	// before the second try, doubled for each further one up to a minute; 0 means 1 s
	Backoff time.Duration
	Timeout time.Duration // of a try; 0 means 30 s
	Drain   time.Duration // for the last tries when Run ends; 0 means 5 s
	Logger  *slog.Logger  // called when periods are lost and when the database is away; may be nil
}

// Stats counts periods of policies.
type Stats struct {
	Written uint64 // in the database
	Lost    uint64 // dropped because more than Config.Pending waited, or at the end of Run
	Pending int    // waiting for the database
	Retries uint64 // failed tries
}

// Warehouse writes periods into a database. It is safe for concurrent use.
type Warehouse struct {
	cfg  Config
	more chan struct{} // has an entry if pending may have one

	made bool // the tables were there; used by Run alone

	mu      sync.Mutex
	pending []batch // the oldest first; the first may be on its way
	bytes   int
	stats   Stats
}

// batch holds the rows of a period.
type batch struct {
	policy string
	rows   []row
	size   int
}

// New returns a Warehouse that is ready to Run. It does not connect: a database that is away makes
// periods wait.
func New(cfg Config) (*Warehouse, error) {
	if cfg.DB == nil || cfg.Agent == "" {
		return nil, errors.New("warehouse: Config.DB and Config.Agent are required")
	}
	cfg.Pending = cmp.Or(cfg.Pending, 64<<20)
	cfg.Backoff = cmp.Or(cfg.Backoff, time.Second)
	cfg.Timeout = cmp.Or(cfg.Timeout, 30*time.Second)
	cfg.Drain = cmp.Or(cfg.Drain, 5*time.Second)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Warehouse{cfg: cfg, more: make(chan struct{}, 1)}, nil
}

// Put queues the modules of a closed period. It never waits for the database. If more than
// Config.Pending bytes wait, the oldest periods are lost. Put does not keep s.
func (w *Warehouse) Put(policy string, s *handler.Snapshot) {
	b := batch{policy: policy, rows: rowsOf(s)}
	if len(b.rows) == 0 {
		return // nothing was counted yet
	}
	for i := range b.rows {
		b.size += len(b.rows[i].value) + 200 // the other columns
	}
	w.mu.Lock()
	w.pending = append(w.pending, b)
	w.bytes += b.size
	lost := 0
	for w.bytes > w.cfg.Pending && len(w.pending) > 1 {
		w.drop()
		lost++
	}
	w.mu.Unlock()
	if lost > 0 {
		w.cfg.Logger.Warn("periods are lost: the database is too slow or away", "periods", lost)
	}
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// drop loses the oldest period. The caller holds the lock.
func (w *Warehouse) drop() {
	w.bytes -= w.pending[0].size
	w.pending[0] = batch{}
	w.pending = w.pending[1:]
	w.stats.Lost++
}

// Stats returns the counts so far.
func (w *Warehouse) Stats() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.stats
	s.Pending = len(w.pending)
	return s
}

// Run writes until ctx is done, then the waiting rows, for at most Config.Drain. It returns an
// error if periods are lost at the end.
func (w *Warehouse) Run(ctx context.Context) error {
	w.writeUntil(ctx)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.cfg.Drain)
	defer cancel()
	err := w.write(drain)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pending) == 0 {
		return nil
	}
	lost := len(w.pending)
	for len(w.pending) > 0 {
		w.drop()
	}
	return fmt.Errorf("warehouse: lost periods: %d: %w", lost, err)
}

// writeUntil writes until ctx is done. It waits ever longer while the database is away.
func (w *Warehouse) writeUntil(ctx context.Context) {
	wait := w.cfg.Backoff
	for ctx.Err() == nil {
		err := w.write(ctx)
		if err == nil {
			wait = w.cfg.Backoff
			select {
			case <-w.more:
			case <-ctx.Done():
			}
			continue
		}
		if ctx.Err() != nil {
			return
		}
		w.cfg.Logger.Warn("the database does not take periods", "error", err, "pending", w.Stats().Pending, "next_try", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		wait = min(2*wait, time.Minute)
	}
}

// write writes all pending periods, the oldest first, each in a transaction.
func (w *Warehouse) write(ctx context.Context) error {
	for {
		w.mu.Lock()
		if len(w.pending) == 0 {
			w.mu.Unlock()
			return nil
		}
		b, lost := w.pending[0], w.stats.Lost
		w.mu.Unlock()

		err := w.try(ctx, b)
		w.made = w.made && err == nil // after an outage the database may be a new one

		w.mu.Lock()
		switch {
		case err != nil:
			w.stats.Retries++
		case w.stats.Lost > lost: // Put dropped it meanwhile, as the oldest one
			w.stats.Lost--
			w.stats.Written++
		default:
			w.drop()
			w.stats.Lost--
			w.stats.Written++
		}
		w.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// try writes a period.
func (w *Warehouse) try(ctx context.Context, b batch) error {
	ctx, cancel := context.WithTimeout(ctx, w.cfg.Timeout)
	defer cancel()
	if !w.made {
		if err := w.within(ctx, makeTables); err != nil {
			return fmt.Errorf("making the tables: %w", err)
		}
		w.made = true
	}
	return w.within(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for i := range b.rows {
			r := &b.rows[i]
			if _, err := tx.ExecContext(ctx, r.insert, r.arguments(w.cfg.Agent, b.policy)...); err != nil {
				return fmt.Errorf("metric %s of %s: %w", r.metric, r.module, err)
			}
		}
		return nil
	})
}

// within calls do in a transaction.
func (w *Warehouse) within(ctx context.Context, do func(context.Context, *sql.Tx) error) error {
	tx, err := w.cfg.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(ctx, tx); err != nil {
		_ = tx.Rollback() // the error that matters is the one before
		return err
	}
	return tx.Commit()
}

// Command visor-warehouse writes the periods of agents into PostgreSQL, where SQL merges them over
// hosts and weeks. Run it with -h for its manual.
package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"visor/export/warehouse"
	"visor/handler"
)

const manual = `visor-warehouse asks visor agents for each minute that has ended, and writes it into
PostgreSQL: counters as numbers, distinct counts as hll, times as tdigest.

Usage:
  visor-warehouse --db URL [options] AGENT[=POLICY,...] ...

AGENT is the URL of an agent, as http://ns1:10853. Without policies, all policies of
the agent are written. The extensions hll and tdigest must be installed in the
database server; the tables are made if they are missing.

Options:
  --db URL           PostgreSQL, as postgres://visor@db/visor?sslmode=verify-full
  --token-file FILE  the agents' API token
  --every 20s        how often agents are asked, at most a minute

Example:
  visor-warehouse --db postgres:///visor http://ns1:10853 http://ns2:10853
  psql visor -c "SELECT hll_cardinality(hll_union_agg(value))
        FROM visor_distinct_checked WHERE metric = 'dns_cardinality_qname'"

Agents whose distinct counts are to be merged need one hash key: visord --hash-key.
`

type options struct {
	db     string
	token  string
	every  time.Duration
	agents []agent
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	o, err := parse(os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintf(os.Stderr, "visor-warehouse: %v\nTry 'visor-warehouse -h'.\n", err)
		os.Exit(2)
	}
	if err := run(ctx, o, slog.New(slog.NewTextHandler(os.Stderr, nil))); err != nil {
		fmt.Fprintln(os.Stderr, "visor-warehouse:", err)
		os.Exit(1)
	}
}

// parse reads the command line.
func parse(args []string, stdout io.Writer) (o options, err error) {
	fs := flag.NewFlagSet("visor-warehouse", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // main prints errors
	fs.Usage = func() { fmt.Fprint(stdout, manual) }
	tokenFile := fs.String("token-file", "", "")
	fs.StringVar(&o.db, "db", "", "")
	fs.DurationVar(&o.every, "every", 20*time.Second, "")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	switch {
	case o.db == "":
		return o, errors.New("--db is missing")
	case fs.NArg() == 0:
		return o, errors.New("no AGENT given")
	case o.every < time.Second || o.every > time.Minute:
		return o, fmt.Errorf("--every %v: must be from 1s to 1m", o.every)
	}
	if *tokenFile != "" {
		token, err := os.ReadFile(*tokenFile)
		if err != nil {
			return o, fmt.Errorf("--token-file: %w", err)
		}
		o.token = strings.TrimSpace(string(token))
	}
	for _, arg := range fs.Args() {
		a, err := parseAgent(arg, o.token)
		if err != nil {
			return o, err
		}
		o.agents = append(o.agents, a)
	}
	return o, nil
}

// run feeds the database until ctx is done, and then writes what still waits.
func run(ctx context.Context, o options, log *slog.Logger) error {
	db, err := sql.Open("pgx", o.db)
	if err != nil {
		return err
	}
	defer db.Close()
	feeder := newFeeder(db, log)
	tick := time.NewTicker(o.every)
	defer tick.Stop()
	for ctx.Err() == nil {
		for i := range o.agents {
			feeder.feed(ctx, &o.agents[i])
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	return feeder.close()
}

// feeder writes the periods of agents, each agent under its name.
type feeder struct {
	db      *sql.DB
	log     *slog.Logger
	writers map[string]*writer   // by agent's name
	last    map[string]time.Time // start of the last period, by agent and policy
}

// writer is a running Warehouse.
type writer struct {
	*warehouse.Warehouse
	stop context.CancelFunc
	done chan error
}

func newFeeder(db *sql.DB, log *slog.Logger) *feeder {
	return &feeder{db: db, log: log, writers: make(map[string]*writer), last: make(map[string]time.Time)}
}

// feed asks an agent for its newest periods, and queues those that are new.
func (f *feeder) feed(ctx context.Context, a *agent) {
	policies, err := a.names(ctx)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		f.log.Warn("an agent does not answer", "agent", a.url, "error", err)
		return
	}
	for _, policy := range policies {
		s, err := a.snapshot(ctx, policy)
		switch {
		case ctx.Err() != nil:
			return // the program ends
		case errors.Is(err, errEarly):
			continue
		case err != nil:
			f.log.Warn("a policy does not answer", "agent", a.url, "policy", policy, "error", err)
			continue
		case len(s.Modules) == 0 || len(s.Modules[0].Counted) == 0:
			continue
		}
		if err := f.put(a, policy, s); err != nil {
			f.log.Error("a period is lost", "agent", a.url, "policy", policy, "error", err)
		}
	}
}

// put queues a period, unless it was queued before.
func (f *feeder) put(a *agent, policy string, s *handler.Snapshot) error {
	key := a.url + " " + policy
	if !s.Modules[0].Start.After(f.last[key]) {
		return nil
	}
	w, err := f.writer(cmp.Or(s.Modules[0].Counted[0].Agent, a.url))
	if err != nil {
		return err
	}
	f.last[key] = s.Modules[0].Start
	w.Put(policy, s)
	return nil
}

// writer returns the running Warehouse of an agent.
func (f *feeder) writer(name string) (*writer, error) {
	if w := f.writers[name]; w != nil {
		return w, nil
	}
	wh, err := warehouse.New(warehouse.Config{DB: f.db, Agent: name, Logger: f.log})
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	w := &writer{Warehouse: wh, stop: stop, done: make(chan error, 1)}
	go func() { w.done <- w.Run(ctx) }()
	f.writers[name] = w
	return w, nil
}

// close writes what still waits, and returns an error if periods are lost.
func (f *feeder) close() (err error) {
	for _, w := range f.writers {
		w.stop()
	}
	for name, w := range f.writers {
		if lost := <-w.done; lost != nil {
			err = errors.Join(err, fmt.Errorf("agent %s: %w", name, lost))
		}
	}
	return err
}

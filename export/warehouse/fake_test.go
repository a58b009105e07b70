package warehouse_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"sync"
)

// fake is a database that keeps the arguments of committed inserts.
type fake struct {
	mu        sync.Mutex
	away      error         // of each statement; nil if the database is there
	hang      chan struct{} // statements wait until it is closed; nil does not
	statement int
	rows      [][]driver.NamedValue
}

func (f *fake) open() *sql.DB { return sql.OpenDB(f) }

func (f *fake) set(away error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = away
}

// written returns the values of committed rows of a metric.
func (f *fake) written(metric string) (values []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, args := range f.rows {
		if args[3].Value == metric {
			values = append(values, args[7].Value.(string))
		}
	}
	return values
}

func (f *fake) Connect(context.Context) (driver.Conn, error) { return &conn{of: f}, nil }
func (f *fake) Driver() driver.Driver                        { return nil }

type conn struct {
	of   *fake
	rows [][]driver.NamedValue
}

var errPrepare = errors.New("unused")

func (c *conn) Prepare(string) (driver.Stmt, error) { return nil, errPrepare }
func (c *conn) Close() error                        { return nil }
func (c *conn) Begin() (driver.Tx, error)           { return c, nil }
func (c *conn) Rollback() error                     { c.rows = nil; return nil }

func (c *conn) Commit() error {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.of.rows, c.rows = append(c.of.rows, c.rows...), nil
	return nil
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if c.of.hang != nil {
		select {
		case <-c.of.hang:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.of.statement++
	if c.of.away != nil {
		return nil, c.of.away
	}
	if strings.HasPrefix(query, "INSERT") {
		c.rows = append(c.rows, args)
	}
	return driver.RowsAffected(1), nil
}

func (c *conn) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return &answer{}, nil
}

// answer is one row with false.
type answer struct{ read bool }

func (a *answer) Columns() []string { return []string{"there"} }
func (a *answer) Close() error      { return nil }
func (a *answer) Next(dest []driver.Value) error {
	if a.read {
		return io.EOF
	}
	a.read, dest[0] = true, false
	return nil
}

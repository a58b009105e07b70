package warehouse

import (
	"context"
	"database/sql"
)

// makeTables makes the tables and the view, unless they are there: then the user needs no right to
// make any. The lock keeps agents apart that start at once.
func makeTables(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtext('visor'))`); err != nil {
		return err
	}
	var there bool
	if err := tx.QueryRowContext(ctx, `SELECT to_regclass('visor_distinct_checked') IS NOT NULL`).Scan(&there); err != nil || there {
		return err
	}
	for _, statement := range schema {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// schema is the schema that makeTables creates.
//
// The column type of value in visor_distinct follows sketch.Cardinality.MarshalBinary. The view
// compares the keys of all rows of a metric: a window is computed before the conditions of a query
// other than those on the metric.
var schema = []string{
	`CREATE EXTENSION IF NOT EXISTS hll`,
	`CREATE EXTENSION IF NOT EXISTS tdigest`,
	`CREATE TABLE IF NOT EXISTS visor_count (
		agent text NOT NULL, policy text NOT NULL, module text NOT NULL, metric text NOT NULL, subject text NOT NULL,
		period timestamptz NOT NULL, seconds integer NOT NULL, value numeric NOT NULL,
		PRIMARY KEY (metric, period, agent, policy, module, subject))`,
	`CREATE TABLE IF NOT EXISTS visor_distinct (
		agent text NOT NULL, policy text NOT NULL, module text NOT NULL, metric text NOT NULL, subject text NOT NULL,
		period timestamptz NOT NULL, seconds integer NOT NULL, hash_key text NOT NULL, value hll(14, 5, 2048, 1) NOT NULL,
		PRIMARY KEY (metric, period, agent, policy, module, subject, hash_key))`,
	`CREATE TABLE IF NOT EXISTS visor_quantile (
		agent text NOT NULL, policy text NOT NULL, module text NOT NULL, metric text NOT NULL, subject text NOT NULL,
		period timestamptz NOT NULL, seconds integer NOT NULL, value tdigest NOT NULL,
		PRIMARY KEY (metric, period, agent, policy, module, subject))`,
	`CREATE OR REPLACE FUNCTION visor_refuse(metric text) RETURNS hll LANGUAGE plpgsql AS $$
		BEGIN
			RAISE EXCEPTION '% was hashed under several keys, so its distinct counts cannot be merged', metric
				USING HINT = 'Query the table visor_distinct for one hash_key.';
		END $$`,
	`CREATE OR REPLACE VIEW visor_distinct_checked AS
		SELECT agent, policy, module, metric, subject, period, seconds, hash_key,
			CASE WHEN min(hash_key) OVER keys = max(hash_key) OVER keys THEN value ELSE visor_refuse(metric) END AS value
		FROM visor_distinct WINDOW keys AS (PARTITION BY metric)`,
}

// The statements that write a row. A row that is there is replaced.
const (
	insertCount = `INSERT INTO visor_count VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::numeric)
		ON CONFLICT (metric, period, agent, policy, module, subject) DO UPDATE SET seconds = excluded.seconds, value = excluded.value`
	insertDistinct = `INSERT INTO visor_distinct VALUES ($1, $2, $3, $4, $5, $6, $7, $9, $8::text::hll)
		ON CONFLICT (metric, period, agent, policy, module, subject, hash_key) DO UPDATE SET seconds = excluded.seconds, value = excluded.value`
	insertQuantile = `INSERT INTO visor_quantile VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::tdigest)
		ON CONFLICT (metric, period, agent, policy, module, subject) DO UPDATE SET seconds = excluded.seconds, value = excluded.value`
)

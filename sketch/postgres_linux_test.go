package sketch_test

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/internal/pgtest"
	"visor/sketch"
)

// TestCardinalityInPostgreSQL stores sketches in the column type that MarshalBinary names, and
// queries the extension hll for their estimates and their union.
func TestCardinalityInPostgreSQL(t *testing.T) {
	db := pgtest.Start(t, "hll")
	sizes := []uint64{0, 1, 100, 2048, 2049, 5000, 40_000, 41_000, 100_000, 1_000_000}
	var sql strings.Builder
	sql.WriteString("CREATE EXTENSION hll; CREATE TABLE sketches (n bigint, s hll(14, 5, 2048, 1));\n")
	for _, n := range sizes {
		data, err := distinct(0, n).MarshalBinary()
		require.NoError(t, err)
		fmt.Fprintf(&sql, "INSERT INTO sketches VALUES (%d, '\\x%x');\n", n, data)
	}
	db.Query(t, sql.String())

	for i, line := range strings.Fields(db.Query(t, "SELECT hll_cardinality(s) FROM sketches ORDER BY n")) {
		estimate, err := strconv.ParseFloat(line, 64)
		require.NoError(t, err)
		require.InDelta(t, sizes[i], estimate, 0.08*float64(sizes[i]), "the extension's own estimate, which is biased")
	}

	other, err := distinct(500_000, 1_000_000).MarshalBinary()
	require.NoError(t, err)
	union := db.Query(t, fmt.Sprintf("SELECT hll_union(s, '\\x%x'::hll(14, 5, 2048, 1)) FROM sketches WHERE n = 1000000", other))
	data, err := hex.DecodeString(strings.TrimPrefix(strings.TrimSpace(union), `\x`))
	require.NoError(t, err)
	var both sketch.Cardinality
	require.NoError(t, both.UnmarshalBinary(data))
	require.Equal(t, distinct(0, 1_500_000).Estimate(), both.Estimate(), "its union is our merge")
}

// TestQuantileInPostgreSQL stores t-digests in columns of the extension tdigest, and queries it for
// their percentiles, alone and merged.
func TestQuantileInPostgreSQL(t *testing.T) {
	db := pgtest.Start(t, "tdigest")
	var sql strings.Builder
	sql.WriteString("CREATE EXTENSION tdigest; CREATE TABLE sketches (host int, d tdigest);\n")
	var all []float64
	for host, n := range []int{1, 300, 50_000} {
		samples := times(uint64(host), n)
		all = append(all, samples...)
		fmt.Fprintf(&sql, "INSERT INTO sketches VALUES (%d, '%s');\n", host, sketch.AppendTDigest(nil, quantileOf(samples).TDigest(100)))
	}
	db.Query(t, sql.String())
	slices.Sort(all)
	for _, p := range []float64{0.01, 0.5, 0.9, 0.99} {
		v, err := strconv.ParseFloat(strings.TrimSpace(db.Query(t, fmt.Sprintf("SELECT tdigest_percentile(d, %g) FROM sketches", p))), 64)
		require.NoError(t, err)
		require.LessOrEqual(t, rankError(all, v, p), 0.02, "%g: %g", p, v)
	}
	require.Equal(t, "1\n300\n50000\n", db.Query(t, "SELECT tdigest_count(d) FROM sketches ORDER BY host"))
}

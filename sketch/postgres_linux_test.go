package sketch_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/sketch"
)

// TestCardinalityInPostgreSQL stores sketches in the column type that MarshalBinary names, and
// queries the extension hll for their estimates and their union.
func TestCardinalityInPostgreSQL(t *testing.T) {
	db := newPostgres(t, "hll")
	sizes := []uint64{0, 1, 100, 2048, 2049, 5000, 40_000, 41_000, 100_000, 1_000_000}
	var sql strings.Builder
	sql.WriteString("CREATE EXTENSION hll; CREATE TABLE sketches (n bigint, s hll(14, 5, 2048, 1));\n")
	for _, n := range sizes {
		data, err := distinct(0, n).MarshalBinary()
		require.NoError(t, err)
		fmt.Fprintf(&sql, "INSERT INTO sketches VALUES (%d, '\\x%x');\n", n, data)
	}
	db.query(t, sql.String())

	for i, line := range strings.Fields(db.query(t, "SELECT hll_cardinality(s) FROM sketches ORDER BY n")) {
		estimate, err := strconv.ParseFloat(line, 64)
		require.NoError(t, err)
		require.InDelta(t, sizes[i], estimate, 0.08*float64(sizes[i]), "the extension's own estimate, which is biased")
	}

	other, err := distinct(500_000, 1_000_000).MarshalBinary()
	require.NoError(t, err)
	union := db.query(t, fmt.Sprintf("SELECT hll_union(s, '\\x%x'::hll(14, 5, 2048, 1)) FROM sketches WHERE n = 1000000", other))
	data, err := hex.DecodeString(strings.TrimPrefix(strings.TrimSpace(union), `\x`))
	require.NoError(t, err)
	var both sketch.Cardinality
	require.NoError(t, both.UnmarshalBinary(data))
	require.Equal(t, distinct(0, 1_500_000).Estimate(), both.Estimate(), "its union is our merge")
}

// TestQuantileInPostgreSQL stores t-digests in columns of the extension tdigest, and queries it for
// their percentiles, alone and merged.
func TestQuantileInPostgreSQL(t *testing.T) {
	db := newPostgres(t, "tdigest")
	var sql strings.Builder
	sql.WriteString("CREATE EXTENSION tdigest; CREATE TABLE sketches (host int, d tdigest);\n")
	var all []float64
	for host, n := range []int{1, 300, 50_000} {
		samples := times(uint64(host), n)
		all = append(all, samples...)
		fmt.Fprintf(&sql, "INSERT INTO sketches VALUES (%d, '%s');\n", host, sketch.AppendTDigest(nil, quantileOf(samples).TDigest(100)))
	}
	db.query(t, sql.String())
	slices.Sort(all)
	for _, p := range []float64{0.01, 0.5, 0.9, 0.99} {
		v, err := strconv.ParseFloat(strings.TrimSpace(db.query(t, fmt.Sprintf("SELECT tdigest_percentile(d, %g) FROM sketches", p))), 64)
		require.NoError(t, err)
		require.LessOrEqual(t, rankError(all, v, p), 0.02, "%g: %g", p, v)
	}
	require.Equal(t, "1\n300\n50000\n", db.query(t, "SELECT tdigest_count(d) FROM sketches ORDER BY host"))
}

// postgres is a private database, in a folder that is removed with the test.
type postgres struct {
	bin, dir string
	as       *syscall.Credential // nil for the user that runs the test
}

// newPostgres starts a PostgreSQL with an extension, or skips the test where that is not installed.
func newPostgres(t *testing.T, extension string) *postgres {
	if testing.Short() {
		t.Skip("skipped: -short leaves out servers")
	}
	extensions, err := filepath.Glob("/usr/share/postgresql/*/extension/" + extension + ".control")
	require.NoError(t, err)
	if len(extensions) == 0 {
		t.Skipf("skipped: PostgreSQL's extension %s is not installed (postgresql-15-%[1]s)", extension)
	}
	version := strings.Split(extensions[0], "/")[4]
	dir, err := os.MkdirTemp("", "postgres") // not t.TempDir, whose parent is closed to other users
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	db := &postgres{bin: "/usr/lib/postgresql/" + version + "/bin/", dir: dir}
	if os.Getuid() == 0 { // PostgreSQL refuses to run as root
		db.as = credential(t, "postgres")
		require.NoError(t, os.Chown(dir, int(db.as.Uid), int(db.as.Gid)))
	}
	data := filepath.Join(dir, "data")
	db.run(t, "", "initdb", "--no-sync", "--auth=trust", "--username=postgres", "--pgdata", data)
	db.run(t, "", "pg_ctl", "start", "--wait", "--pgdata", data, "--log", filepath.Join(dir, "log"), "--options", "-F -h '' -k "+dir)
	t.Cleanup(func() { db.run(t, "", "pg_ctl", "stop", "--wait", "--mode=immediate", "--pgdata", data) })
	return db
}

func credential(t *testing.T, name string) *syscall.Credential {
	u, err := user.Lookup(name)
	require.NoError(t, err)
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	require.NoError(t, err)
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	require.NoError(t, err)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// query runs SQL and returns the rows, without decoration.
func (db *postgres) query(t *testing.T, sql string) string {
	return db.run(t, sql, "psql", "-h", db.dir, "-U", "postgres", "-XAtq", "-v", "ON_ERROR_STOP=1")
}

// run runs a program of PostgreSQL with an input and returns its output.
func (db *postgres) run(t *testing.T, input, program string, args ...string) string {
	cmd := exec.Command(db.bin+program, args...)
	cmd.Dir, cmd.Stdin = db.dir, strings.NewReader(input)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: db.as}
	var out, problems strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &problems
	if program == "pg_ctl" {
		cmd.Stdout, cmd.Stderr = nil, nil // the server would keep the pipes open
	}
	require.NoError(t, cmd.Run(), "%s: %s", program, problems.String())
	return out.String()
}

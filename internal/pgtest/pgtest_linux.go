// Package pgtest starts private PostgreSQL servers for tests.
package pgtest

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Server is a private database in a folder that is removed with the test.
type Server struct {
	bin, dir string
	as       *syscall.Credential // nil for the user that runs the test
}

// Start starts a PostgreSQL with an extension, or skips the test where that is not installed.
func Start(t *testing.T, extension string) *Server {
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
	db := &Server{bin: "/usr/lib/postgresql/" + version + "/bin/", dir: dir}
	if os.Getuid() == 0 { // PostgreSQL refuses to run as root
		db.as = credential(t, "postgres")
		require.NoError(t, os.Chown(dir, int(db.as.Uid), int(db.as.Gid)))
	}
	data := filepath.Join(dir, "data")
	db.run(t, "", "initdb", "--no-sync", "--auth=trust", "--username=postgres", "--pgdata", data)
	db.start(t)
	t.Cleanup(func() { db.run(t, "", "pg_ctl", "stop", "--wait", "--mode=immediate", "--pgdata", data) })
	return db
}

func (db *Server) start(t *testing.T) {
	options := "-F -h '' -k " + db.dir
	db.run(t, "", "pg_ctl", "start", "--wait", "--pgdata", filepath.Join(db.dir, "data"), "--log", filepath.Join(db.dir, "log"), "--options", options)
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

// Query runs SQL and returns the rows, without decoration.
func (db *Server) Query(t *testing.T, sql string) string {
	return db.run(t, sql, "psql", "-h", db.dir, "-U", "postgres", "-XAtq", "-v", "ON_ERROR_STOP=1")
}

// run runs a program of PostgreSQL with an input and returns its output.
func (db *Server) run(t *testing.T, input, program string, args ...string) string {
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

// URL returns the address of the database for a driver.
func (db *Server) URL() string { return "postgres:///postgres?user=postgres&host=" + db.dir }

// Restart stops the server at once, calls meanwhile, and starts the server again.
func (db *Server) Restart(t *testing.T, meanwhile func()) {
	data := filepath.Join(db.dir, "data")
	db.run(t, "", "pg_ctl", "stop", "--wait", "--mode=immediate", "--pgdata", data)
	meanwhile()
	db.start(t)
}

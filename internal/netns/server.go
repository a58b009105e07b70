package netns

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/internal/wait"
)

// Server is a DNS server that answers for example.com on port 53, and logs its queries and
// responses by dnstap.
type Server struct {
	Name   string // of its command
	User   string // the user that Debian runs it as
	config string
	args   []string // ahead of the name of its configuration
}

// Servers returns the servers that tests can run.
func Servers() []Server {
	return []Server{
		{"knotd", "knot", knotConfig, []string{"-c"}},
		{"unbound", "unbound", unboundConfig, []string{"-d", "-p", "-c"}},
		{"named", "bind", namedConfig, []string{"-f", "-c"}},
		{"dnsdist", "_dnsdist", dnsdistConfig, []string{"--supervised", "--disable-syslog", "-C"}},
	}
}

// Place is where a Server runs.
type Place struct {
	Neighbour string // see Neighbour; "" is the namespace of the test
	Address   string // to listen on
	Socket    string // for dnstap; "" disables it, which only knotd supports
	// not empty: the server runs as its own user, with this additional group; a number
	Group string
}

// Skip skips the test unless s can run here with dnstap.
func (s Server) Skip(t testing.TB) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out DNS servers")
	}
	if _, err := exec.LookPath(s.Name); err != nil {
		t.Skipf("skipped: the command %s is missing", s.Name)
	}
	if s.Name == "knotd" && !knotHasDNSTap(t) {
		t.Skip("skipped: knotd has no dnstap module (Debian: knot-module-dnstap)")
	}
}

// knotHasDNSTap asks knot whether it accepts a configuration with the module, which is a separate
// package in Debian.
func knotHasDNSTap(t testing.TB) bool {
	config := filepath.Join(t.TempDir(), "knot.conf")
	require.NoError(t, os.WriteFile(config, []byte("mod-dnstap:\n  - id: tap\n    sink: \"unix:s\"\n"), 0o600))
	return exec.Command("knotc", "-c", config, "conf-check").Run() == nil
}

// Start runs s until the end of the test, and returns when it listens and has connected to the
// socket.
func (s Server) Start(t testing.TB, p Place) {
	dir := folder(t)
	owner, module := "root:root", ""
	if p.Group != "" {
		owner = s.User
		p.unprivilegedPorts(t)
	}
	if p.Socket != "" {
		module = "global-module: mod-dnstap/tap"
	}
	values := strings.NewReplacer("DIR", dir, "ADDRESS", p.Address, "SOCKET", p.Socket, "MODULE", module, "OWNER", owner)
	config := filepath.Join(dir, "config")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "zone"), []byte(zone), 0o644))
	require.NoError(t, os.WriteFile(config, []byte(values.Replace(s.config)), 0o644))
	var command []string
	if p.Group != "" {
		give(t, s.User, dir, filepath.Join(dir, "zone"), config)
		command = []string{"setpriv", "--reuid=" + s.User, "--regid=" + s.User, "--groups=" + p.Group, "--inh-caps=-all", "--bounding-set=-all"}
	}
	command = append(append(append(command, s.Name), s.args...), config)
	Background(t, p.command(command...))
	wait.Until(t, func() bool {
		conn, err := net.Dial("tcp", net.JoinHostPort(p.Address, "53"))
		return err == nil && conn.Close() == nil
	})
	if p.Socket != "" {
		wait.Until(t, func() bool { return connected(t, p) })
	}
}

// Knot runs knotd in a neighbour, see [Server.Start]. It skips the test if dnstap is requested and
// knotd does not support it.
func Knot(t testing.TB, neighbour, address, socket string) {
	s := Servers()[0]
	if socket != "" {
		s.Skip(t)
	}
	s.Start(t, Place{Neighbour: neighbour, Address: address, Socket: socket})
}

// Resolver runs unbound in a neighbour. It asks an authoritative server for names of example.com.
func Resolver(t testing.TB, neighbour, address, authoritative string) {
	config := strings.ReplaceAll(resolverConfig, "SOCKET", authoritative)
	Server{"unbound", "unbound", config, []string{"-d", "-p", "-c"}}.Start(t, Place{Neighbour: neighbour, Address: address})
}

// folder returns a new folder that every user may enter, unlike the folders of package testing.
func folder(t testing.TB) string {
	dir, err := os.MkdirTemp("", "visor-server-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	return dir
}

// unprivilegedPorts lets every user listen on port 53.
func (p Place) unprivilegedPorts(t testing.TB) {
	out, err := p.command("sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start").CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// give makes a user the owner of files.
func give(t testing.TB, name string, paths ...string) {
	u, err := user.Lookup(name)
	require.NoError(t, err)
	uid, err := strconv.Atoi(u.Uid)
	require.NoError(t, err)
	gid, err := strconv.Atoi(u.Gid)
	require.NoError(t, err)
	for _, path := range paths {
		require.NoError(t, os.Chown(path, uid, gid))
	}
}

// Background runs a command until the end of the test, and shows what it wrote if that fails.
func Background(t testing.TB, cmd *exec.Cmd) {
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s: %s", cmd.Args, log.String())
		}
	})
}

// connected reports whether a client of the Unix socket has been accepted: the kernel lists the
// other end under the socket's path, in the namespace of the client.
func connected(t testing.TB, p Place) bool {
	list, err := p.command("cat", "/proc/net/unix").Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(list)) {
		// Num RefCount Protocol Flags Type St Inode Path
		if f := strings.Fields(line); len(f) == 8 && f[5] == "03" && f[7] == p.Socket {
			return true
		}
	}
	return false
}

// command returns a program that runs at p.
func (p Place) command(program ...string) *exec.Cmd {
	if p.Neighbour != "" {
		return Command(p.Neighbour, program...)
	}
	return exec.Command(program[0], program[1:]...)
}

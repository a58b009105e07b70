//go:build unix

package dnstap_test

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture/dnstap"
)

// TestSocketPermissions checks that the group may connect, by default the group of the process.
func TestSocketPermissions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for _, tt := range []struct {
		cfg      dnstap.Config
		mode     os.FileMode
		uid, gid int
	}{
		{dnstap.Config{}, 0o660, os.Getuid(), os.Getgid()},
		{dnstap.Config{Mode: 0o600}, 0o600, os.Getuid(), os.Getgid()},
		{dnstap.Config{Owner: strconv.Itoa(os.Getuid()), Group: strconv.Itoa(os.Getgid())}, 0o660, os.Getuid(), os.Getgid()},
		{dnstap.Config{Owner: "nobody", Group: "daemon", Mode: 0o770}, 0o770, 65534, 1},
	} {
		if tt.uid != os.Getuid() && os.Getuid() != 0 {
			continue // only root may change the group
		}
		tt.cfg.Network, tt.cfg.Address = "unix", path
		l, err := dnstap.Listen(tt.cfg)
		require.NoError(t, err)
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, tt.mode, info.Mode().Perm())
		stat := info.Sys().(*syscall.Stat_t)
		require.Equal(t, []int{tt.uid, tt.gid}, []int{int(stat.Uid), int(stat.Gid)})
		require.NoError(t, l.Close())
	}
	_, err := dnstap.Listen(dnstap.Config{Network: "unix", Address: path, Group: "no such group"})
	require.ErrorContains(t, err, `socket's group "no such group"`)
	require.NoFileExists(t, path)
}

// TestForeignSocket keeps files that are not a stale stream socket.
func TestForeignSocket(t *testing.T) {
	dir := t.TempDir()
	datagram := filepath.Join(dir, "datagram")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: datagram, Net: "unixgram"})
	require.NoError(t, err)
	defer conn.Close()
	_, err = dnstap.Listen(dnstap.Config{Network: "unix", Address: datagram})
	require.ErrorIs(t, err, os.ErrExist)
	require.ErrorContains(t, err, "something may use it")
	require.FileExists(t, datagram)

	_, err = dnstap.Listen(dnstap.Config{Network: "unix", Address: filepath.Join(dir, "run", "visord", "s")})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "folder "+filepath.Join(dir, "run", "visord")+" does not exist")
}

// TestInheritedSocket uses a socket that was opened elsewhere and does not remove its file.
func TestInheritedSocket(t *testing.T) {
	path, messages := filepath.Join(t.TempDir(), "s"), file(3)
	opened, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	opened.SetUnlinkOnClose(false)
	kept, err := opened.File() // the descriptor that systemd keeps
	require.NoError(t, err)
	defer kept.Close()
	require.NoError(t, opened.Close())
	for range 2 {
		socket, err := net.FileListener(kept)
		require.NoError(t, err)
		l := listen(t, dnstap.Config{Socket: socket})
		send(t, dial(t, l), messages)
		requireMessages(t, 0, take(t, l, 3))
		require.NoError(t, l.Close())
		_, err = os.Stat(path)
		require.NoError(t, err)
	}
}

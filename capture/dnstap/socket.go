package dnstap

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// listen opens the socket that cfg describes.
func (cfg *Config) listen() (socket net.Listener, err error) {
	switch {
	case cfg.Socket != nil:
		socket = cfg.Socket
	case cfg.Network == "unix":
		socket, err = cfg.listenUnix()
	default:
		socket, err = net.Listen(cfg.Network, cfg.Address)
	}
	if err == nil && cfg.TLS != nil {
		socket = tls.NewListener(socket, cfg.TLS)
	}
	return socket, err
}

func (cfg *Config) listenUnix() (net.Listener, error) {
	uid, gid, err := cfg.ids()
	if err != nil {
		return nil, err
	}
	if err := removeStale(cfg.Address); err != nil {
		return nil, err
	}
	socket, err := net.Listen("unix", cfg.Address)
	if err != nil {
		if dir := filepath.Dir(cfg.Address); missing(dir) {
			return nil, missingFolder{cfg.Address, dir}
		}
		return nil, err
	}
	if uid >= 0 || gid >= 0 {
		err = os.Chown(cfg.Address, uid, gid)
	}
	if err == nil {
		err = os.Chmod(cfg.Address, cfg.Mode)
	}
	if err != nil {
		socket.Close()
		return nil, err
	}
	return socket, nil
}

func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// ids returns the owner and the group for the socket, or -1 to keep the IDs of the process.
func (cfg *Config) ids() (uid, gid int, err error) {
	uid, gid = -1, -1
	if cfg.Owner != "" {
		if uid, err = id(cfg.Owner, "user", func(name string) (string, error) {
			u, err := user.Lookup(name)
			if err != nil {
				return "", err
			}
			return u.Uid, nil
		}); err != nil {
			return 0, 0, err
		}
	}
	if cfg.Group != "" {
		gid, err = id(cfg.Group, "group", func(name string) (string, error) {
			g, err := user.LookupGroup(name)
			if err != nil {
				return "", err
			}
			return g.Gid, nil
		})
	}
	return uid, gid, err
}

// id parses a number or looks up a name.
func id(name, what string, lookup func(string) (string, error)) (int, error) {
	if n, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(n), nil
	}
	text, err := lookup(name)
	n, bad := strconv.Atoi(text)
	if err := cmp.Or(err, bad); err != nil {
		return 0, fmt.Errorf("socket's %s %q: %w", what, name, err)
	}
	return n, nil
}

// removeStale removes a socket left behind by an earlier process: a stream socket that refuses
// connections. Any other file at path is an error, because something may need it.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return nil // Listen returns a better error
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("listen unix %s: %w, and is not a socket", path, fs.ErrExist)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		conn.Close()
		return fmt.Errorf("listen unix %s: %w: something listens on it", path, syscall.EADDRINUSE)
	case errors.Is(err, errRefused):
		return os.Remove(path)
	}
	return fmt.Errorf("listen unix %s: %w, and something may use it: %w", path, fs.ErrExist, err)
}

// missingFolder is the error for a socket whose folder does not exist.
type missingFolder struct{ socket, folder string }

func (e missingFolder) Error() string {
	return fmt.Sprintf("listen unix %s: folder %s does not exist", e.socket, e.folder)
}

func (missingFolder) Is(target error) bool { return target == fs.ErrNotExist }

//go:build unix

package main

import (
	"errors"
	"fmt"
	"io"
	"log/syslog"
	"net"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
)

// hangup lists the signals that make visord reload its configuration.
var hangup = []os.Signal{syscall.SIGHUP}

func openSyslog() (io.Writer, error) { return syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, "visord") }

// daemonMark is the environment variable of the background process. It contains the descriptor to
// report the result of the start on.
const daemonMark = "VISORD_DAEMON_FD"

func isDaemon() bool { return os.Getenv(daemonMark) != "" }

// daemonize starts the program again in its own session. It returns when that process serves, or
// with its error. A Go program cannot fork, because it has threads.
func daemonize(args []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), daemonMark+"=3")
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	_ = w.Close()
	if err != nil {
		return err
	}
	said, err := io.ReadAll(io.LimitReader(r, 4096))
	if err != nil || string(said) == "ok" {
		return err
	}
	return errors.Join(errors.New(strings.TrimSpace(string(said))), cmd.Wait())
}

// tellParent reports to the foreground process that this one serves, or the error. Only the first
// report counts. The daemon then leaves its directory, so that file systems can be unmounted.
func tellParent(failed error) {
	fd, err := strconv.Atoi(os.Getenv(daemonMark))
	if err != nil {
		return
	}
	_ = os.Unsetenv(daemonMark)
	pipe := os.NewFile(uintptr(fd), "parent")
	if failed != nil {
		_, _ = fmt.Fprint(pipe, failed)
	} else {
		_, _ = fmt.Fprint(pipe, "ok")
		_ = os.Chdir("/")
	}
	_ = pipe.Close() // the parent may have been killed
}

// becomeUser replaces the user root with another user.
func becomeUser(name string) error {
	uid, gid, err := lookUp(name)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"groups", func() error { return syscall.Setgroups([]int{gid}) }},
		{"group", func() error { return syscall.Setgid(gid) }},
		{"user", func() error { return syscall.Setuid(uid) }},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("cannot become the %s of %s: %w", step.what, name, err)
		}
	}
	return nil
}

// lookUp returns the numbers of a user and its group.
func lookUp(name string) (uid, gid int, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, 0, err
	}
	uid, uidErr := strconv.Atoi(u.Uid)
	gid, gidErr := strconv.Atoi(u.Gid)
	return uid, gid, errors.Join(uidErr, gidErr)
}

// chown makes a user the owner of a file.
func chown(name, path string) error {
	uid, gid, err := lookUp(name)
	if err != nil {
		return err
	}
	return os.Chown(path, uid, gid)
}

// notify sends the state to systemd (man sd_notify), if systemd requested it.
func notify(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = conn.Write([]byte(state)) // on failure systemd's timeout applies
}

//go:build !unix

package main

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
)

var hangup []os.Signal

func openSyslog() (io.Writer, error) { return nil, errors.New("this system has no syslog") }

func isDaemon() bool { return false }

func daemonize([]string) error {
	return errors.New("-d: this system has no daemons; run visord as a service")
}

func tellParent(error) {}

func becomeUser(string) error { return errors.New("--user: not possible on this system") }

func chown(string, string) error { return nil }

func notify(string) {}

// handedOver would hold the sockets opened by systemd; this system has none.
type handedOver struct{}

func socketsHandedOver(*slog.Logger) (handedOver, error) { return handedOver{}, nil }

func (handedOver) listen(string, string) (net.Listener, error) { return nil, nil }

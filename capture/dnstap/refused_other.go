//go:build !windows

package dnstap

import "syscall"

// errRefused is the error when connecting to a socket without a listener.
const errRefused = syscall.ECONNREFUSED

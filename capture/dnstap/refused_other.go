//go:build !windows

package dnstap

import "syscall"

// errRefused is the error of a connection to a socket that nothing listens on.
const errRefused = syscall.ECONNREFUSED

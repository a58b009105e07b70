package dnstap

import "golang.org/x/sys/windows"

// errRefused is the error of a connection to a socket that nothing listens on.
const errRefused = windows.WSAECONNREFUSED

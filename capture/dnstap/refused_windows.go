package dnstap

import "golang.org/x/sys/windows"

// errRefused is the error when connecting to a socket without a listener.
const errRefused = windows.WSAECONNREFUSED

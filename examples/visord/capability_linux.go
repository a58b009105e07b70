package main

import (
	"syscall"
	"unsafe"
)

// capabilities holds the capabilities of a thread (man capget).
type capabilities [2]struct{ effective, permitted, inheritable uint32 }

// raiseCapabilities makes the permitted capabilities of the program's file effective. A file that
// only permits them (setcap cap_net_raw+p) starts even where they are forbidden, and the error of
// an interface names the missing one. A file that also makes them effective would not start. Errors
// are ignored here, because they appear when an interface is opened.
func raiseCapabilities() {
	header := struct {
		version uint32
		pid     int32
	}{version: 0x20080522} // version 3; this thread
	var caps capabilities
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CAPGET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&caps)), 0); errno != 0 {
		return
	}
	if caps[0].effective == caps[0].permitted && caps[1].effective == caps[1].permitted {
		return
	}
	for i := range caps {
		caps[i].effective = caps[i].permitted
	}
	_, _, _ = syscall.AllThreadsSyscall(syscall.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&caps)), 0)
}

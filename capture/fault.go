package capture

import (
	"errors"
	"runtime/debug"
)

// ErrShrunk is returned when a mapped file was truncated while it was read. tcpdump's ring of
// files, NFS and truncate can do that.
var ErrShrunk = errors.New("capture: the file became shorter while it was read")

// GuardFaults must be called before working on frames of a stable source. Their memory may belong
// to a mapped file, and an access beyond the end of a truncated file would kill the program with
// SIGBUS.
// Use it with [RecoverFault]:
//
//	func (w *worker) work(b *Batch) (err error) {
//		defer RecoverFault(&err, GuardFaults())
//		…
//	}
func GuardFaults() (former bool) { return debug.SetPanicOnFault(true) }

// RecoverFault, when deferred, sets err to [ErrShrunk] if the function touched memory that no
// longer exists. Other panics continue.
func RecoverFault(err *error, former bool) {
	debug.SetPanicOnFault(former)
	r := recover()
	if r == nil {
		return
	}
	if _, fault := r.(interface{ Addr() uintptr }); !fault {
		panic(r)
	}
	*err = ErrShrunk
}

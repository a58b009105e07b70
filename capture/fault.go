package capture

import (
	"errors"
	"runtime/debug"
)

// ErrShrunk is what reading a mapped file ends in that became shorter meanwhile: a ring of tcpdump,
// a file on NFS, truncate.
var ErrShrunk = errors.New("capture: the file became shorter while it was read")

// GuardFaults is the beginning of work on frames of a source that is [Stabler]: their memory may be
// that of a file that shrinks, where the system would end the program with SIGBUS. It is used with
// [RecoverFault]:
//
//	func (w *worker) work(b *Batch) (err error) {
//		defer RecoverFault(&err, GuardFaults())
//		…
//	}
func GuardFaults() (former bool) { return debug.SetPanicOnFault(true) }

// RecoverFault, deferred, sets err to [ErrShrunk] if the function touched memory that is gone.
// Other panics go on.
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

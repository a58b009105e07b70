//go:build unix

package history

import (
	"os"
	"syscall"
	"time"
)

// errReadOnlyDisk is the error of a write to a file system that is mounted for reading.
var errReadOnlyDisk error = syscall.EROFS

// lock locks f as bbolt does. It waits for lockWait at most.
func lock(f *os.File, exclusive bool) error {
	how := syscall.LOCK_SH
	if exclusive {
		how = syscall.LOCK_EX
	}
	const tries = 4
	for n := 1; ; n++ {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if err == nil || n == tries {
			return err
		}
		time.Sleep(lockWait / tries)
	}
}

// unlock unlocks f. It fails only for a closed file.
func unlock(f *os.File) { _ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }

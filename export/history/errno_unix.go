//go:build unix

package history

import "syscall"

// errReadOnlyDisk is the error of a write to a file system that is mounted for reading.
var errReadOnlyDisk error = syscall.EROFS

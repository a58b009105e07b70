//go:build !unix

package history

import (
	"errors"
	"os"
)

// errReadOnlyDisk has no meaning here.
var errReadOnlyDisk = errors.New("a read-only file system")

// lock does nothing: bbolt locks the file after the check.
func lock(*os.File, bool) error { return nil }

// unlock does nothing.
func unlock(*os.File) {}

//go:build !unix

package history

import "errors"

// errReadOnlyDisk has no meaning here.
var errReadOnlyDisk = errors.New("a read-only file system")

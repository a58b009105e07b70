package pcapfile

import "fmt"

// Error is returned for a damaged file. Use errors.As to find it.
type Error struct {
	Path string // as given to Open or NewReader
	// offset of the damaged record or block, bytes from the start of the (uncompressed) file
	Offset int64
	Err    error // cause
}

// Error returns "pcapfile: PATH: offset N: cause".
func (e *Error) Error() string {
	return fmt.Sprintf("pcapfile: %s: offset %d: %v", e.Path, e.Offset, e.Err)
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

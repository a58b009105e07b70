package pcapfile

import "fmt"

// Error is what reading a damaged file ends in. Callers find it by errors.As.
type Error struct {
	Path string // as given to Open or NewReader
	// where the damaged record or block begins, bytes from the start of the (uncompressed) file
	Offset int64
	Err    error // what was found there
}

// Error returns "pcapfile: PATH: offset N: what was found".
func (e *Error) Error() string {
	return fmt.Sprintf("pcapfile: %s: offset %d: %v", e.Path, e.Offset, e.Err)
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

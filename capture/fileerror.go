package capture

import "fmt"

// FileError is returned by sources of files for a damaged file, and for streams in a file's format.
// Use errors.As to find it.
type FileError struct {
	Package string // of the source: "pcapfile" or "dnstap"
	Path    string // as given to the function that made the source
	// offset of the damaged record, block or frame in bytes, within the decompressed data of a
	// compressed file
	Offset int64
	Err    error // cause
}

// Error returns "PACKAGE: PATH: offset N: cause".
func (e *FileError) Error() string {
	return fmt.Sprintf("%s: %s: offset %d: %v", e.Package, e.Path, e.Offset, e.Err)
}

// Unwrap returns e.Err.
func (e *FileError) Unwrap() error { return e.Err }

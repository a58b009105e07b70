package decompress

import (
	"io"
	"sync/atomic"
)

// Counter counts the bytes that are read through it: for a compressed recording, the bytes of the
// file.
type Counter struct {
	In   io.Reader
	Done *atomic.Int64
}

// Read reads from In.
func (c *Counter) Read(p []byte) (int, error) {
	n, err := c.In.Read(p)
	c.Done.Add(int64(n))
	return n, err
}

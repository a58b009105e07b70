package sketch

// Counter counts events.
type Counter uint64

// Add adds n.
func (c *Counter) Add(n uint64) { *c += Counter(n) }

// Value returns the sum of what was added.
func (c *Counter) Value() uint64 { return uint64(*c) }

// Merge adds what src has counted.
func (c *Counter) Merge(src *Counter) { *c += *src }

// Reset makes the count 0.
func (c *Counter) Reset() { *c = 0 }

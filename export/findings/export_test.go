package findings

// WithDefaults lets tests see the defaults.
func (c Config) WithDefaults() Config { return c.withDefaults() }

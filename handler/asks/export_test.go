package asks

// Timeless returns cfg for a Handler whose answers do not depend on absolute times.
func Timeless(cfg Config) Config {
	cfg.timeless = true
	return cfg
}

package collector

// Lost gets the count of drops of the kernel.
func (s *Source) Lost(total uint32) { s.lost(total) }

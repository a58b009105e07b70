package handler

// Second is a second of packet time. Shards accumulate counts per second and update rates once per
// second, because most packets of a batch share one.
type Second struct {
	unix  int64
	start int64 // ns
	used  bool
}

// SecondOf returns the second that contains tsNS.
func SecondOf(tsNS int64) Second {
	unix := tsNS / 1e9
	if tsNS%1e9 < 0 {
		unix--
	}
	return Second{unix, unix * 1e9, true}
}

// Has reports whether tsNS is in s. The zero Second is empty.
func (s *Second) Has(tsNS int64) bool { return uint64(tsNS-s.start) < 1e9 && s.used }

// Unix returns the seconds since 1970.
func (s Second) Unix() int64 { return s.unix }

package handler

// second is a second of packet time. Shards accumulate counts per second and update rates once per
// second, because most packets of a batch share one.
type second struct {
	unix  int64
	start int64 // ns
	used  bool
}

// secondOf returns the second that contains tsNS.
func secondOf(tsNS int64) second {
	unix := tsNS / 1e9
	if tsNS%1e9 < 0 {
		unix--
	}
	return second{unix, unix * 1e9, true}
}

// has reports whether tsNS is in s. The zero second is empty.
func (s *second) has(tsNS int64) bool { return uint64(tsNS-s.start) < 1e9 && s.used }

// Unix returns the seconds since 1970.
func (s second) Unix() int64 { return s.unix }

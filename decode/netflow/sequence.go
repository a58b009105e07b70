package netflow

// sequence compares the sequence numbers of a source with the expected ones.
type sequence struct {
	next    uint32 // expected number, valid iff synced
	last    uint32 // the previous number, valid iff synced
	records uint32 // data records of the previous datagram, valid iff counted
	synced  bool
	counted bool
	votes   int8 // above 0: the numbers of NetFlow 9 count datagrams; below: they count flows
}

// maxGap is the widest gap in sequence numbers that counts as a loss. Beyond, the exporter has
// restarted.
const maxGap = 1 << 24

// advance takes the number of a datagram and returns how many are missing before it. n is the
// distance to the next number.
func (s *sequence) advance(number, n uint32) (missing uint32) {
	if gap := number - s.next; s.synced && gap < maxGap {
		missing = gap
	}
	s.next, s.last, s.synced = number+n, number, true
	return missing
}

// ipfix is advance for IPFIX, whose number counts the data records before the message (RFC 7011
// section 3.1). Some exporters, such as softflowd 1.1.0, also count the records of the message
// itself. If either reading explains the number, nothing is missing.
func (s *sequence) ipfix(number, n uint32) (missing uint32) {
	inclusive := number - n - s.last
	missing = s.advance(number, n)
	if inclusive < maxGap {
		missing = min(missing, inclusive)
	}
	return missing
}

// v9 is advance for NetFlow 9, whose number counts datagrams (RFC 3954 section 5.1). softflowd 0.9
// and others count flows instead; softflowd counts one for both directions. counted is false if the
// datagram has records that could not be counted.
func (s *sequence) v9(number, records uint32, counted bool) (datagrams, flows uint32) {
	if s.synced {
		s.vote(number - s.last)
	}
	step := uint32(1)
	if s.votes < 0 {
		step = s.records
		s.synced = s.synced && s.counted
	}
	s.next = s.last + step
	missing := s.advance(number, 0)
	s.records, s.counted = records, counted
	if s.votes < 0 {
		return 0, missing
	}
	return missing, 0
}

// vote judges by one step what the numbers count. A step of one after several records votes for
// datagrams, a step as wide as the records votes for flows. Votes stop at four, so that a loss that
// happens to look like the other way of counting changes nothing.
func (s *sequence) vote(step uint32) {
	const sure = 4
	switch {
	case !s.counted || s.records < 2:
	case step == 1:
		s.votes = min(s.votes+1, sure)
	case step >= (s.records+1)/2 && step <= s.records:
		s.votes = max(s.votes-1, -sure)
	}
}

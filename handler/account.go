package handler

// Account counts events by outcome. Offered equals the sum of the other fields. A pipeline counts
// frames. A handler counts the events shown to it: packets or DNS messages.
type Account struct {
	Offered     uint64 `json:"offered"`     // came in, or was lost before it could
	Analysed    uint64 `json:"analysed"`    // went through everything
	Filtered    uint64 `json:"filtered"`    // did not pass a filter
	NotSampled  uint64 `json:"not_sampled"` // counted, but left out by deep sampling
	Undecodable uint64 `json:"undecodable"` // could not be understood
	Dropped     uint64 `json:"dropped"`     // lost by the kernel, an interface or a full queue
}

// Add adds b to a.
func (a *Account) Add(b Account) {
	a.Offered += b.Offered
	a.Analysed += b.Analysed
	a.Filtered += b.Filtered
	a.NotSampled += b.NotSampled
	a.Undecodable += b.Undecodable
	a.Dropped += b.Dropped
}

// span is the time from the earliest frame to the latest. The zero span contains no frame.
type span struct {
	firstNS, lastNS int64
	known           bool
}

// cover extends s by the time from firstNS to lastNS.
func (s *span) cover(firstNS, lastNS int64) {
	if s.known {
		firstNS, lastNS = min(s.firstNS, firstNS), max(s.lastNS, lastNS)
	}
	*s = span{firstNS, lastNS, true}
}

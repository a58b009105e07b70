package history

import (
	"time"

	bolt "go.etcd.io/bbolt"
)

// Stats describes a Store.
type Stats struct {
	Tiers []TierStats // minute, hour, day
	Bytes int64       // of the file in use
	File  int64       // size of the file
	// bytes by which Bytes exceeds Config.MaxBytes, because the minutes of two hours stay
	Over    int64
	Written uint64 // periods
	Pending int    // periods that wait for the disk
	// periods that were not written: they did not fit in Config.Pending, or the store was closed
	Lost uint64
	// periods that were not written because they are there already
	Duplicates uint64
	Damaged    uint64 // records that could not be read, each time
	Refused    uint64 // merges of records that do not fit together, as after a change of the policy
	Compacted  uint64 // compactions of the file
	Repaired   uint64 // damaged files that were replaced

	Failing       bool      // writing does not work now
	LastError     error     // of opening or writing; nil if there was none
	LastErrorTime time.Time // zero without an error
}

// TierStats describes a tier.
type TierStats struct {
	Tier    string // minute, hour or day
	Records int
	Bytes   int64  // of records
	Expired uint64 // records that were deleted for their age
	Evicted uint64 // records that were deleted for Config.MaxBytes
}

// counts are the counters of the store. Store.mu guards them.
type counts struct {
	tiers                                                            [tiers]TierStats
	bytes, file, over                                                int64
	written, lost, duplicates, damaged, refused, compacted, repaired uint64

	failing bool
	last    error
	lastAt  time.Time
}

// Stats returns the counts since Open.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.stats
	out := Stats{
		Bytes: c.bytes, File: c.file, Over: c.over, Written: c.written, Pending: len(s.queue.records), Lost: c.lost,
		Duplicates: c.duplicates, Damaged: c.damaged, Refused: c.refused, Compacted: c.compacted, Repaired: c.repaired,
		Failing: c.failing, LastError: c.last, LastErrorTime: c.lastAt,
	}
	for t := range tiers {
		c.tiers[t].Tier = t.String()
		out.Tiers = append(out.Tiers, c.tiers[t])
	}
	return out
}

// tally adds one to a count.
func (s *Store) tally(count *uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*count++
}

// count counts the records of the file.
func (s *Store) count() error {
	var records [tiers]int
	var bytes [tiers]int64
	err := s.open.view(func(tx *bolt.Tx) error {
		return chains(tx, func(c chain, b *bolt.Bucket) error {
			return b.ForEach(func(_, v []byte) error {
				records[c.tier]++
				bytes[c.tier] += int64(len(v))
				return nil
			})
		})
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	for t := range tiers {
		s.stats.tiers[t].Records, s.stats.tiers[t].Bytes = records[t], bytes[t]
	}
	return err
}

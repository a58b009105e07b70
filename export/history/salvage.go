package history

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// salvage replaces a damaged file by one with its undamaged records, and renames it to damagedFile.
// It returns their number.
func salvage(path string) (records int, err error) {
	old, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer old.Close()
	if err := lock(old, true); err != nil {
		return 0, inUse(path)
	}
	info, err := old.Stat()
	if err != nil {
		return 0, err
	}
	part := path + ".part"
	_ = os.Remove(part) // of a salvage that did not end
	f, err := openFile(part, false)
	if err != nil {
		return 0, err
	}
	s := scan{pages: &pages{in: old, size: info.Size()}, found: make(map[chain]map[int64]found)}
	s.run()
	records, err = s.copy(f)
	err = errors.Join(err, f.close())
	if err == nil {
		err = os.Rename(path, damagedFile(path))
	}
	if err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		_ = os.Remove(part)
		return 0, fmt.Errorf("history: salvage: %w", err)
	}
	syncDirectory(path)
	return records, nil
}

// damagedFile returns the name of a damaged file after its records were salvaged. A store has one.
func damagedFile(path string) string { return path + ".damaged" }

// scan finds the records in a damaged file. It looks at each page by itself, because the pages
// above may be damaged. Records that were deleted, and not overwritten yet, come back; they are
// deleted again.
type scan struct {
	*pages
	found map[chain]map[int64]found
}

// found is the place of a record.
type found struct {
	at, size       int64
	number, before uint64
	upto           uint64
	end            int64
}

func (s *scan) run() {
	for id := uint64(2); int64(id) < s.size/pageSize; id++ {
		if n, err := s.node(id); err == nil && n.flags == leafPage {
			s.leaf(n)
		}
	}
}

// leaf finds the records of a leaf, and of small buckets within it.
func (s *scan) leaf(n node) {
	all, _ := s.elements(n) // those before the first damaged one
	for _, e := range all {
		if e.bucket {
			if head, err := s.bytes(e.at, bucketLen); err == nil && order.Uint64(head) == 0 {
				if n, err := s.inline(e); err == nil && n.flags == leafPage {
					s.leaf(n)
				}
			}
			continue
		}
		value, err := s.bytes(e.at, e.size)
		if err != nil {
			continue
		}
		if r, err := readRecord(value); err == nil {
			s.add(&r, e)
		}
	}
}

// add notes a record. Of several versions of one, the latest contains most.
func (s *scan) add(r *record, e element) {
	if s.found[r.chain] == nil {
		s.found[r.chain] = make(map[int64]found)
	}
	is := found{at: e.at, size: e.size, number: r.number, before: r.before, upto: r.upto, end: r.end}
	if has, ok := s.found[r.chain][r.start]; !ok || cmp.Or(cmp.Compare(is.upto, has.upto), cmp.Compare(is.end, has.end)) > 0 {
		s.found[r.chain][r.start] = is
	}
}

// copy writes the records found to f. A record after a missing one is marked.
func (s *scan) copy(f *file) (records int, err error) {
	for c, all := range s.found {
		starts := slices.Sorted(maps.Keys(all))
		var last uint64
		highest := s.merged(chain{c.tier + 1, c.policy})
		for part := range slices.Chunk(starts, batch) {
			err := f.update(func(tx *bolt.Tx) error {
				b, err := c.create(tx)
				if err != nil {
					return err
				}
				for _, start := range part {
					r, err := s.read(all[start])
					if err != nil {
						continue // the disk is damaged; the next one shows it
					}
					r.lossy = r.lossy || last != 0 && r.before != last
					last, highest = r.number, max(highest, r.number)
					if err := b.Put(keyOf(start), r.append(nil)); err != nil {
						return err
					}
					records++
				}
				return b.SetSequence(highest)
			})
			if err != nil {
				return records, err
			}
		}
	}
	return records, nil
}

// merged returns the highest number that was merged into the records of c. Records of the tier
// below may be lost, and new ones must not look merged.
func (s *scan) merged(c chain) (n uint64) {
	for _, f := range s.found[c] {
		n = max(n, f.upto)
	}
	return n
}

func (s *scan) read(at found) (record, error) {
	value, err := s.bytes(at.at, at.size)
	if err != nil {
		return record{}, err
	}
	return readRecord(value)
}

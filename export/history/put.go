package history

import (
	"bytes"

	bolt "go.etcd.io/bbolt"
)

// put writes r into its chain. A new record gets its numbers; one that replaces another keeps the
// numbers of that. put returns the size of the value, or 0 if r is there and must not be replaced.
//
// Two periods may start at the same time: when a policy is replaced, the old one ends and the new
// one begins within a period of the pipeline. The second is then put a nanosecond later.
func (r *record) put(tx *bolt.Tx, replace bool) (size int, err error) {
	b, err := r.create(tx)
	if err != nil {
		return 0, err
	}
	if !replace && r.findPlace(b) {
		return 0, nil
	}
	key := keyOf(r.start)
	if has := b.Get(key); has != nil {
		before, err := peekRecord(has)
		if err != nil {
			return 0, err
		}
		r.number, r.before, r.lossy = before.number, before.before, before.lossy
	} else if err := r.link(b, key); err != nil {
		return 0, err
	}
	value := r.append(nil)
	return len(value), b.Put(key, value)
}

// findPlace moves the start of r to a free one. It reports whether r is there already.
func (r *record) findPlace(b *bolt.Bucket) (there bool) {
	for {
		has := b.Get(keyOf(r.start))
		if has == nil {
			return false
		}
		if other, err := peekRecord(has); err == nil && other.end == r.end && bytes.Equal(other.data, r.data) {
			return true
		}
		r.start++
		r.end = max(r.end, r.start+1)
	}
}

// create returns the bucket of a chain, which it makes if it is missing.
func (c chain) create(tx *bolt.Tx) (*bolt.Bucket, error) {
	all, err := tx.CreateBucketIfNotExists([]byte(c.tier.String()))
	if err != nil {
		return nil, err
	}
	return all.CreateBucketIfNotExists(bucketOf(c.policy))
}

// link numbers r unless it has a number, and links it with its neighbours. The next one is there
// only if a clock was set back, or if r is made again after damage.
func (r *record) link(b *bolt.Bucket, key []byte) (err error) {
	if r.number == 0 {
		if r.number, err = b.NextSequence(); err != nil {
			return err
		}
	}
	c := b.Cursor()
	next, value := c.Seek(key)
	if next == nil {
		if _, last := c.Last(); last != nil {
			before, err := peekRecord(last)
			r.before = before.number
			return err
		}
		return nil
	}
	after, err := readRecord(value)
	if err != nil {
		return err
	}
	r.before, after.before = after.before, r.number
	return b.Put(next, after.append(nil))
}

// remove deletes the records of c that start in a slot. It returns their number and bytes.
func (c chain) remove(tx *bolt.Tx, from, to int64) (records int, bytes int64, err error) {
	b := c.bucket(tx)
	if b == nil {
		return 0, 0, nil
	}
	var keys [][]byte
	cursor := b.Cursor()
	for k, v := cursor.Seek(keyOf(from)); k != nil; k, v = cursor.Next() {
		if start, err := startOf(k); err != nil || start >= to {
			break
		}
		keys = append(keys, k) // valid until the transaction ends
		bytes += int64(len(v))
	}
	for _, k := range keys {
		if err := b.Delete(k); err != nil {
			return 0, 0, err
		}
	}
	return len(keys), bytes, nil
}

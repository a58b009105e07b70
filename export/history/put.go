package history

import (
	bolt "go.etcd.io/bbolt"
)

// put writes r into its chain. A new record gets its numbers; one that replaces another keeps the
// numbers of that. put returns the size of the value, or 0 if there is a record and it must not be
// replaced.
func (r *record) put(tx *bolt.Tx, replace bool) (size int, err error) {
	b, err := r.create(tx)
	if err != nil {
		return 0, err
	}
	key := keyOf(r.start)
	if has := b.Get(key); has != nil {
		if !replace {
			return 0, nil
		}
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

// create returns the bucket of a chain, which it makes if it is missing.
func (c chain) create(tx *bolt.Tx) (*bolt.Bucket, error) {
	all, err := tx.CreateBucketIfNotExists([]byte(c.tier.String()))
	if err != nil {
		return nil, err
	}
	return all.CreateBucketIfNotExists(bucketOf(c.policy))
}

// link numbers r, and links it with its neighbours. The next one is there only if a clock was set
// back.
func (r *record) link(b *bolt.Bucket, key []byte) (err error) {
	if r.number, err = b.NextSequence(); err != nil {
		return err
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

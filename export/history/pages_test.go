package history

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"
)

// database returns the bytes of a small file with records in each tier.
func database(t testing.TB) []byte {
	path := filepath.Join(t.TempDir(), "history.db")
	f, err := openFile(path, false)
	require.NoError(t, err)
	require.NoError(t, f.update(func(tx *bolt.Tx) error {
		for t := range tiers {
			for i := range int64(40) {
				r := record{chain: chain{t, "p"}, start: i * int64(time.Minute), end: (i + 1) * int64(time.Minute), data: bytes.Repeat([]byte("data"), 50)}
				if _, err := r.put(tx, false); err != nil {
					return err
				}
			}
		}
		b, err := tx.CreateBucketIfNotExists(metaBucket)
		if err != nil {
			return err
		}
		return b.Put(openKey, []byte("an unclean end"))
	}))
	require.NoError(t, f.close())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

// checkBytes checks a file in memory.
func checkBytes(ctx context.Context, data []byte) error {
	p, err := newPages(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	c := checking{pages: p, ctx: ctx, values: true, seen: make(map[uint64]bool)}
	return c.run()
}

// Any bytes are a file or an error, in bounded time. bbolt reads whatever passes the check.
func FuzzPages(f *testing.F) {
	data := database(f)
	require.NoError(f, checkBytes(context.Background(), data))
	f.Add(uint32(2*pageSize+20), byte(7), uint32(3*pageSize+9), byte(255))
	f.Add(uint32(4*pageSize), byte(1), uint32(5*pageSize+12), byte(3))
	f.Fuzz(func(t *testing.T, at1 uint32, v1 byte, at2 uint32, v2 byte) {
		damaged := bytes.Clone(data)
		damaged[int(at1)%len(data)], damaged[int(at2)%len(data)] = v1, v2
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := checkBytes(ctx, damaged)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		if err != nil {
			return
		}
		path := filepath.Join(t.TempDir(), "history.db")
		require.NoError(t, os.WriteFile(path, damaged, 0o600))
		db, err := openFile(path, false)
		if err != nil {
			return // an error, and not a panic
		}
		_ = db.view(func(tx *bolt.Tx) error {
			return chains(tx, func(c chain, b *bolt.Bucket) error { return c.each(tx, func(record) {}) })
		})
		_ = db.close()
	})
}

package history

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"visor/internal/wire"
)

// Steps are what the goroutine of a Store does, one by one.
type Steps struct{ w *writer }

// OpenStepped opens a store without its goroutine.
func OpenStepped(t *testing.T, cfg Config) (*Store, Steps) {
	t.Helper()
	cfg, err := cfg.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	s, err := newStore(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w := &writer{Store: s}
	if err := w.openFile(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, Steps{w}
}

// Flush writes the periods that wait.
func (s Steps) Flush() error { return s.w.flush() }

// Hold delays transactions until the function that it returns is called.
func (s Steps) Hold(t *testing.T) (release func()) {
	t.Helper()
	held, done := make(chan bool), make(chan bool)
	go func() {
		_ = s.w.open.file.update(func(*bolt.Tx) error {
			close(held)
			<-done
			return nil
		})
	}()
	<-held
	return func() { close(done) }
}

// Writing returns the number of periods that are being written.
func (s Steps) Writing() int {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	return s.w.queue.writing
}

// LoseHour loses the records of an hour, as damage does, and looks for what is not merged.
func (s Steps) LoseHour(policy string, at time.Time) error {
	slot := hour.slot(at.UnixNano())
	err := s.w.update(func(tx *bolt.Tx) error {
		_, _, err := chain{hour, policy}.remove(tx, slot, slot+hour.length())
		return err
	})
	return errors.Join(err, s.w.findUnmerged())
}

// MergeHour merges the periods of an hour into it.
func (s Steps) MergeHour(policy string, at time.Time) error {
	return s.w.mergeSlot(chain{minute, policy}, hour.slot(at.UnixNano()))
}

// Merge merges the records of slots that are over.
func (s Steps) Merge() error { return s.w.mergeSlots() }

// Age rewrites the first day of a policy in version 1, which has no seen.
func (s Steps) Age(policy string) error {
	return s.w.update(func(tx *bolt.Tx) error {
		b := chain{day, policy}.bucket(tx)
		k, v := b.Cursor().First()
		r, err := readRecord(v)
		if err != nil {
			return err
		}
		n := len(wire.AppendUvarint(nil, r.seen))
		at := len(v) - len(r.data) - n
		old := slices.Delete(bytes.Clone(v), at, at+n)
		old[4] = 1
		binary.LittleEndian.PutUint32(old, crc32.Checksum(old[4:], castagnoli))
		return b.Put(k, old)
	})
}

package history

import (
	"errors"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

const (
	slack     = 16 << 20 // unused bytes that are never worth a compaction
	compactTx = 8 << 20  // bytes that a transaction of a compaction writes
)

// compact copies the file to a smaller one and renames that, if a third of the file is unused.
func (w *writer) compact() error {
	old := w.open.file
	used, size := old.used()
	if size-used < slack || size-used < used/2 {
		return nil
	}
	path := w.cfg.Path + ".compact"
	_ = os.Remove(path) // of a compaction that did not end
	f, err := openFile(path, false)
	if err != nil {
		return err
	}
	err = guard(func() error { return bolt.Compact(f.db, old.db, compactTx) })
	if errors.Is(err, errStructure) { // either may hold its locks now
		f.broken.Store(true)
		old.broken.Store(true)
	}
	if err == nil {
		err = os.Rename(path, w.cfg.Path)
	}
	if err != nil {
		_ = f.close()
		_ = os.Remove(path)
		return err
	}
	w.open.set(f)
	w.tally(&w.stats.compacted)
	syncDirectory(w.cfg.Path)
	return old.close()
}

// syncDirectory makes a rename durable. Without it, the file before is there after a power failure.
func syncDirectory(path string) {
	if d, err := os.Open(filepath.Dir(path)); err == nil {
		_ = d.Sync() // not all systems can
		_ = d.Close()
	}
}

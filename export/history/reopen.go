package history

import (
	"cmp"
	"errors"
	"os"

	bolt "go.etcd.io/bbolt"
)

// openFile opens the file and reads its contents. It replaces a damaged file.
func (w *writer) openFile() error {
	f, err := openFile(w.cfg.Path, false)
	if errors.Is(err, errStructure) || errors.Is(err, errDamaged) {
		if f, err = w.salvage(err); err != nil {
			return err
		}
	}
	if notWritable(err) {
		w.openToRead()
	}
	if err != nil {
		return err
	}
	w.swap(f)
	// without the name, the error of another process is less helpful
	_ = os.WriteFile(ownerFile(w.cfg.Path), []byte(w.cfg.Owner+"\n"), 0o600)
	err = w.open.view(func(tx *bolt.Tx) error {
		b := tx.Bucket(metaBucket)
		w.marked = b != nil && b.Get(openKey) != nil
		return nil
	})
	return cmp.Or(err, w.count(), w.findUnmerged())
}

// swap replaces the open file.
func (w *writer) swap(f *file) {
	if before := w.open.set(f); before != nil {
		_ = before.close() // nothing waits to be written
	}
}

// salvage replaces a damaged file by one with its undamaged records, and opens that.
func (w *writer) salvage(damage error) (*file, error) {
	records, err := salvage(w.cfg.Path)
	if err != nil {
		return nil, errors.Join(damage, err)
	}
	w.tally(&w.stats.repaired)
	w.cfg.Logger.Error("the history was damaged: its undamaged records are in a new file", "error", damage,
		"file", w.cfg.Path, "records", records, "damaged_file", damagedFile(w.cfg.Path))
	return openFile(w.cfg.Path, false)
}

// openToRead opens a file that cannot be written, so that questions are answered.
func (w *writer) openToRead() {
	f, err := openFile(w.cfg.Path, true)
	if err != nil {
		return // the error of writing matters
	}
	w.swap(f)
	_ = w.count() // reading shows the error
}

// reopen opens the file if it is not open for writing, was damaged, or was removed.
func (w *writer) reopen() error {
	f := w.open.file
	switch {
	case f == nil:
	case f.readOnly:
		h, err := os.OpenFile(w.cfg.Path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		if err := h.Close(); err != nil {
			return err
		}
	case f.broken.Load(): // the check finds out if it is damaged
		w.cfg.Logger.Error("the history cannot be read, and is opened again", "file", w.cfg.Path)
	case !at(f.handle, w.cfg.Path):
		w.cfg.Logger.Error("the history was removed, and begins again", "file", w.cfg.Path)
	default:
		return nil
	}
	w.swap(nil)
	return w.openFile()
}

package history

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	pageSize   = 4096    // of the file, on all systems
	growth     = 1 << 20 // by which the file grows
	lockWait   = 100 * time.Millisecond
	ownerAbove = 200 // bytes of an owner's name that are shown
)

// ErrInUse is the error of a store that another process has open.
var ErrInUse = errors.New("in use")

// errStructure is damage to the structure of the file, in contrast to errDamaged.
var errStructure = errors.New("the file is damaged")

// file is an open database. It is safe for concurrent use.
type file struct {
	db       *bolt.DB
	handle   *os.File // of db
	readOnly bool
	broken   atomic.Bool // the database panicked
}

// openFile opens or makes a database, and checks it. If another process has it, the error wraps
// ErrInUse. If it is damaged, the error wraps errStructure or errDamaged.
func openFile(path string, readOnly bool) (*file, error) {
	f := &file{readOnly: readOnly}
	options := &bolt.Options{
		Timeout: lockWait, PageSize: pageSize, ReadOnly: readOnly, FreelistType: bolt.FreelistMapType,
		OpenFile: func(name string, flag int, mode os.FileMode) (h *os.File, err error) {
			f.handle, err = prepare(name, flag, mode, readOnly)
			return f.handle, err
		},
	}
	err := guard(func() (err error) {
		f.db, err = bolt.Open(path, 0o600, options)
		return err
	})
	switch {
	case errors.Is(err, ErrInUse):
	case errors.Is(err, bolterrors.ErrTimeout):
		err = inUse(path)
	case err != nil:
		err = fmt.Errorf("history: %s: %w", path, err)
	default:
		f.db.AllocSize = growth
		return f, nil
	}
	if f.handle != nil { // bbolt closes it, except after a panic
		unlock(f.handle)
		_ = f.handle.Close()
	}
	return nil, err
}

// prepare opens the file of a database, locks it before bbolt does, and checks it.
func prepare(path string, flag int, mode os.FileMode, readOnly bool) (*os.File, error) {
	h, err := os.OpenFile(path, flag, mode)
	if err != nil {
		return nil, err
	}
	if err = lock(h, !readOnly); err != nil || !at(h, path) { // a compaction may have replaced it
		_ = h.Close()
		return nil, inUse(path)
	}
	info, err := h.Stat()
	if err == nil && info.Size() < 4*pageSize && !readOnly {
		err = h.Truncate(0) // the disk was full when it was made
	}
	if err == nil {
		err = check(h)
	}
	if err != nil {
		_ = h.Close()
		return nil, err
	}
	return h, nil
}

// inUse returns the error of a store that another process has open.
func inUse(path string) error {
	return fmt.Errorf("history: %s is %w by %s: ask it", path, ErrInUse, ownerOf(path))
}

// at reports whether the open file h is the one at path.
func at(h *os.File, path string) bool {
	own, err := h.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(own, named)
}

// close closes f, which unlocks it. After damage bbolt may hold its own locks, so that f is
// closed without it and stays mapped.
func (f *file) close() error {
	if f.broken.Load() {
		unlock(f.handle) // closing does not, because the mapping keeps the file open
		return f.handle.Close()
	}
	return guard(f.db.Close)
}

// view calls do in a transaction that reads. do must only use the database, and must not keep what
// it borrows.
func (f *file) view(do func(*bolt.Tx) error) error {
	return f.guard(func() error { return f.db.View(do) })
}

// update calls do in a transaction that writes.
func (f *file) update(do func(*bolt.Tx) error) error {
	return f.guard(func() error { return f.db.Update(do) })
}

func (f *file) guard(do func() error) error {
	err := guard(do)
	if errors.Is(err, errStructure) {
		f.broken.Store(true)
	}
	return err
}

// used returns the bytes of the pages in use, and the size of the file.
func (f *file) used() (used, size int64) {
	_ = f.view(func(tx *bolt.Tx) error {
		size = tx.Size()
		return nil
	})
	s := f.db.Stats()
	return size - int64(s.FreePageN+s.PendingPageN)*pageSize, size
}

// guard calls do, which uses the database. bbolt panics on damaged pages. A file that is shorter
// than it should be, or a disk that cannot be read, causes a fault in mapped memory. Both become
// errStructure, wrapped.
func guard(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errStructure, r)
		}
	}()
	err = do()
	for _, bad := range []error{bolterrors.ErrInvalid, bolterrors.ErrVersionMismatch, bolterrors.ErrChecksum, bolterrors.ErrInvalidMapping} {
		if errors.Is(err, bad) {
			return fmt.Errorf("%w: %w", errStructure, err)
		}
	}
	return err
}

// ownerFile returns the name of the file that names the process of a store.
func ownerFile(path string) string { return path + ".owner" }

// ownerOf returns the name of the process that has the store at path open.
func ownerOf(path string) string {
	name, _ := os.ReadFile(ownerFile(path)) // without it the process has no name
	text := strings.ToValidUTF8(strings.TrimSpace(string(name[:min(len(name), ownerAbove)])), "")
	return cmp.Or(text, "another process")
}

// notWritable reports whether an error means that a file may be read but not written.
func notWritable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, errReadOnlyDisk)
}

// holder holds the open file of a store, if it has one. It is safe for concurrent use.
type holder struct {
	mu   sync.RWMutex
	file *file
}

// view calls do in a transaction that reads.
func (h *holder) view(do func(*bolt.Tx) error) error {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.file == nil {
		return errAway
	}
	return h.file.view(do)
}

// set replaces the file, and returns the one before.
func (h *holder) set(f *file) (before *file) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before, h.file = h.file, f
	return before
}

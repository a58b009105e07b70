package httpapi

import (
	"crypto/sha256"
	"log/slog"
	"os"
	"sync"
)

// FileReader reads a file. nil is [os.ReadFile].
type FileReader func(path string) ([]byte, error)

// renewed is what files hold. They are read again each time that it is asked for; they are small. While they cannot be used, the former
// value stays, with an error in the log. It is safe for concurrent use.
type renewed[T any] struct {
	paths []string
	read  FileReader
	parse func(contents [][]byte) (T, error)

	mu       sync.Mutex
	log      *slog.Logger      // nil is silence
	sum      [sha256.Size]byte // of the contents that were parsed last, good or bad
	value    T
	failed   string // the last error, "" if the last renewal went well
	failures uint64
}

// newRenewed returns what the files hold now, or what is wrong with them.
func newRenewed[T any](read FileReader, parse func([][]byte) (T, error), paths ...string) (*renewed[T], error) {
	if read == nil {
		read = os.ReadFile
	}
	r := &renewed[T]{paths: paths, read: read, parse: parse}
	return r, r.renew()
}

// current returns the value.
func (r *renewed[T]) current() T {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note(r.renew())
	return r.value
}

// renew reads the files, and parses them if they have changed.
func (r *renewed[T]) renew() error {
	var contents [][]byte
	hash := sha256.New()
	for _, path := range r.paths {
		b, err := r.read(path)
		if err != nil {
			return err
		}
		contents = append(contents, b)
		one := sha256.Sum256(b)
		hash.Write(one[:])
	}
	sum := [sha256.Size]byte(hash.Sum(nil))
	if sum == r.sum {
		return nil
	}
	value, err := r.parse(contents)
	if err == nil {
		r.value, r.sum = value, sum
	}
	return err
}

// note logs and counts an error once, however often it comes.
func (r *renewed[T]) note(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != r.failed {
		r.failures++
		if r.log != nil {
			r.log.Error("file cannot be renewed; what it held stays in use", "files", r.paths, "error", err)
		}
	}
	r.failed = text
}

// failing returns how many renewals have failed, and whether the last one did.
func (r *renewed[T]) failing() (count uint64, now bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failures, r.failed != ""
}

// Package renewed caches the parsed contents of small files and rereads them when they change:
//
//	token, err := renewed.New(log, nil, parse, "/etc/token")
//	...
//	use(token.Current())
package renewed

import (
	"crypto/sha256"
	"log/slog"
	"os"
	"sync"
)

// Reader reads a file. nil is [os.ReadFile].
type Reader func(path string) ([]byte, error)

// Value is the parsed content of files. Each call of Current reads them. While they are invalid,
// the former value stays, and an error is logged. It is safe for concurrent use.
type Value[T any] struct {
	paths []string
	read  Reader
	parse func(contents [][]byte) (T, error)
	log   *slog.Logger

	mu       sync.Mutex
	sum      [sha256.Size]byte // checksum of the contents that were parsed last
	value    T
	failed   string // the last error, or "" if the last renewal succeeded
	failures uint64
}

// New returns the current content of the files, or an error. log receives later errors; nil
// discards them.
func New[T any](log *slog.Logger, read Reader, parse func([][]byte) (T, error), paths ...string) (*Value[T], error) {
	if read == nil {
		read = os.ReadFile
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	v := &Value[T]{paths: paths, read: read, parse: parse, log: log}
	return v, v.renew()
}

// Current returns the value.
func (v *Value[T]) Current() T {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.note(v.renew())
	return v.value
}

// renew reads the files, and parses them if they have changed.
func (v *Value[T]) renew() error {
	var contents [][]byte
	hash := sha256.New()
	for _, path := range v.paths {
		b, err := v.read(path)
		if err != nil {
			return err
		}
		contents = append(contents, b)
		one := sha256.Sum256(b)
		hash.Write(one[:])
	}
	sum := [sha256.Size]byte(hash.Sum(nil))
	if sum == v.sum {
		return nil
	}
	value, err := v.parse(contents)
	if err == nil {
		v.value, v.sum = value, sum
	}
	return err
}

// note logs and counts an error once, however often it repeats.
func (v *Value[T]) note(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != v.failed {
		v.failures++
		v.log.Error("file cannot be renewed; what it held stays in use", "files", v.paths, "error", err)
	}
	v.failed = text
}

// Failures returns how many renewals have failed.
func (v *Value[T]) Failures() uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.failures
}

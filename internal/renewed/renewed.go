// Package renewed holds the contents of small files, and reads them again:
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

// Value is what files hold. They are read each time that it is asked for. While they cannot be used, the former value stays, with an
// error in the log. It is safe for concurrent use.
type Value[T any] struct {
	paths []string
	read  Reader
	parse func(contents [][]byte) (T, error)
	log   *slog.Logger

	mu       sync.Mutex
	sum      [sha256.Size]byte // of the contents that were parsed last
	value    T
	failed   string // the last error, "" if the last renewal went well
	failures uint64
}

// New returns what the files hold now, or what is wrong with them. log has what is wrong later; nil is silence.
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

// note logs and counts an error once, however often it comes.
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

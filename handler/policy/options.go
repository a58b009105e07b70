package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"visor/handler/options"
)

// Options holds configuration values by key: uint64, bool, string, []string, or Options. As in
// pktvisor, a value of digits is a number even if quoted.
type Options = options.Table

// Reader reads typed values from Options and keeps the first error. Every requested key is valid;
// finish reports the others.
type Reader struct {
	opts  Options
	known []string
	err   error
}

func (r *Reader) look(key string) (any, bool) {
	r.known = append(r.known, key)
	v, ok := r.opts[key]
	return v, ok
}

// fail keeps the first error. It is about the key that was looked up last.
func (r *Reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = &options.Problem{Key: r.known[len(r.known)-1], Err: fmt.Errorf(format, args...)}
	}
}

// value returns the value of key, or the zero T if it is missing or of another type.
func value[T any](r *Reader, key string) T {
	var zero T
	v, ok := r.look(key)
	if !ok {
		return zero
	}
	t, ok := v.(T)
	if !ok {
		r.fail("wrong type for key: %s", key)
		return zero
	}
	return t
}

// Flag returns the boolean at key, or false.
func (r *Reader) Flag(key string) bool { return value[bool](r, key) }

// Text returns the string at key, or "".
func (r *Reader) Text(key string) string { return value[string](r, key) }

// List returns the list at key, or nil.
func (r *Reader) List(key string) []string { return value[[]string](r, key) }

// Int returns the number at key, or 0. Numbers above most are clamped to it.
func (r *Reader) Int(key string, most uint64) int { return int(min(value[uint64](r, key), most)) }

// finish returns the first error, or one about a key that was never requested.
func (r *Reader) finish() error {
	if r.err != nil {
		return r.err
	}
	for _, key := range slices.Sorted(maps.Keys(r.opts)) {
		if !slices.Contains(r.known, key) {
			return &options.Problem{Key: key, Known: r.known, Err: fmt.Errorf("%s is an invalid/unsupported config or filter. The valid configs/filters are: %s",
				key, strings.Join(r.known, ", "))}
		}
	}
	return nil
}

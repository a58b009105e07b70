package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Options holds configuration values by key: uint64, bool, string, []string, or Options.
// A value made of digits only is a number, even when it was quoted: that is pktvisor's rule.
type Options map[string]any

// Reader takes typed values out of Options and keeps the first error. Every key that is asked for is known;
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

// fail keeps the first error: it is one of the key that was looked at last.
func (r *Reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = &keyError{key: r.known[len(r.known)-1], error: fmt.Errorf(format, args...)}
	}
}

// keyError is what is wrong with a key, or its value.
type keyError struct {
	key   string
	known []string // if the key is not known, those that are
	error
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

// Int returns the number at key, or 0. Numbers beyond most are cut to it.
func (r *Reader) Int(key string, most uint64) int { return int(min(value[uint64](r, key), most)) }

// percent returns the number at key, at least 1, or 0 if the key is missing.
func (r *Reader) percent(key string) int {
	if _, ok := r.opts[key]; !ok {
		r.known = append(r.known, key)
		return 0
	}
	return max(1, r.Int(key, 100))
}

// finish returns the first error, or one about a key that nobody asked for.
func (r *Reader) finish() error {
	if r.err != nil {
		return r.err
	}
	for _, key := range slices.Sorted(maps.Keys(r.opts)) {
		if !slices.Contains(r.known, key) {
			return &keyError{key, r.known, fmt.Errorf("%s is an invalid/unsupported config or filter. The valid configs/filters are: %s",
				key, strings.Join(r.known, ", "))}
		}
	}
	return nil
}

package options

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Problem describes an invalid key or value.
type Problem struct {
	Path  []string // the key, then keys of tables and indexes of lists in its value, if any
	Known []string // the valid keys, for an unknown key
	Err   error
}

// At returns a problem of a key, which the table may lack.
func At(err error, path ...string) *Problem { return &Problem{Path: path, Err: err} }

// Error returns the text of the problem, without its place.
func (p *Problem) Error() string { return p.Err.Error() }

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Err }

// Key returns the key that has the problem.
func (p *Problem) Key() string { return p.Path[0] }

// Problems is an error of several problems. Its text is the first one's.
type Problems []*Problem

// Has reports whether one of keys has a problem.
func (p Problems) Has(keys ...string) bool {
	return slices.ContainsFunc(p, func(one *Problem) bool { return slices.Contains(keys, one.Key()) })
}

// Error returns the text of the first problem.
func (p Problems) Error() string { return p[0].Error() }

// Unwrap returns the problems.
func (p Problems) Unwrap() (all []error) {
	for _, one := range p {
		all = append(all, one)
	}
	return all
}

func (p Problems) orNil() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// ErrType is returned by a Reader for a value of another type.
var ErrType = errors.New("wrong type")

// Reader converts a key's value to a field's. The result must be assignable to the field. An error
// of type [Problems] has paths in the value.
type Reader func(value any) (any, error)

// under returns the problems of the value at a key.
func under(key string, err error) Problems {
	var all Problems
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrType):
		err = fmt.Errorf("wrong type for key: %s", key)
	case errors.As(err, &all):
		for _, p := range all {
			p.Path = slices.Insert(p.Path, 0, key)
		}
		return all
	}
	return Problems{{Path: []string{key}, Err: err}}
}

// Each parses the texts of a list. It returns the problems of all texts, or [ErrType] for another
// value.
func Each[T any](value any, parse func(text string) (T, error)) (out []T, err error) {
	list, ok := value.([]string)
	if !ok {
		return nil, ErrType
	}
	var problems Problems
	for i, text := range list {
		t, err := parse(text)
		problems = append(problems, under(strconv.Itoa(i), err)...)
		out = append(out, t)
	}
	return out, problems.orNil()
}

// Entries parses the entries of a table in the order of their keys. It returns the problems of all
// entries, or [ErrType] for another value.
func Entries[K comparable, V any](value any, parse func(key string, value any) (K, V, error)) (map[K]V, error) {
	table, ok := value.(Table)
	if !ok {
		return nil, ErrType
	}
	out := make(map[K]V, len(table))
	var problems Problems
	for _, key := range slices.Sorted(maps.Keys(table)) {
		k, v, err := parse(key, table[key])
		problems = append(problems, under(key, err)...)
		out[k] = v
	}
	return out, problems.orNil()
}
